"""C kernels of races of spike trains: max pooling and k winners."""

from __future__ import annotations

from processes.max_pool import MaxPool
from processes.winners import Winners
from targets.c99.kernels.kernel import Kernel, Place, State, size


def max_pool(op: MaxPool, place: Place) -> Kernel:
    """Kernel of max pooling; its state holds which values of each field are behind, and the spike for the next step."""
    channels, height, width = place.shapes[0][-3:]
    fields = size(op.shape)
    return Kernel(
        "max_pool",
        {
            "start": place.window.start, "channels": channels, "height": height, "width": width,
            "out_height": op.shape[-2], "out_width": op.shape[-1], "kernel_y": op.kernel[0], "kernel_x": op.kernel[1],
            "stride_y": op.stride[0], "stride_x": op.stride[1], "padding_y": op.padding[0], "padding_x": op.padding[1],
            "dilation_y": op.dilation[0], "dilation_x": op.dilation[1],
        },
        (State("int8_t", fields * size(op.kernel)), State("int8_t", fields)),
    )  # fmt: skip


def winners(op: Winners, place: Place) -> Kernel:
    """Kernel of k winners; its state holds each value's standing in its group's race, and how many places are taken."""
    group = op.shape[-1]
    return Kernel(
        "winners",
        {"start": place.window.start, "groups": size(op.shape[:-1]), "group": group, "count": op.count},
        (State("int8_t", size(op.shape)), State("int32_t", size(op.shape[:-1]))),
    )
