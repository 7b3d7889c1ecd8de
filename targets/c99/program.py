"""A network as a C program: which kernel each node calls, with which constants, where its state and its message lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from evaluator.timeline import Timeline, timeline
from processes.errors import DeployError
from processes.network import Network
from processes.operation import Window
from targets.c99.kernels import KERNELS, NO_KERNEL
from targets.c99.kernels.kernel import WIDTHS, Constants, Integer, Kernel, Place, Struct, Value, size
from targets.c99.memory import POOLS, Need, layout


@dataclass(frozen=True)
class Step:
    """A node in network_step.

    Attributes:
        number: of the node; its message is m_NUMBER.
        span: the steps in which it is called.
        type, size: of its message's values.
        arguments: of its kernel between the time and the message.
        clears: (type, pointer, size) of the state that is zero at the beginning of its span.
        out: where its message lies.
        alias: the number of the node whose message is its own, in C's words; empty if it has a kernel.
    """

    number: int
    name: str
    operation: str
    span: Window
    type: str
    size: int
    function: str = ""
    arguments: tuple[str, ...] = ()
    clears: tuple[tuple[str, str, int], ...] = ()
    out: str = ""
    alias: str = ""


@dataclass(frozen=True)
class Program:
    """What templates are filled with.

    Attributes:
        arrays: (name, type, values) of all constants, each once.
        nodes: (struct, name, initialiser) of every kernel's constants.
        pools: (type, name, values) of struct network.
        period: steps of a sample.
    """

    steps: tuple[Step, ...]
    arrays: tuple[tuple[str, Constants], ...]
    nodes: tuple[tuple[str, str, str], ...]
    pools: tuple[tuple[Integer, str, int], ...]
    period: int
    inputs: int
    outputs: int

    @property
    def state_bytes(self) -> int:
        """Of struct network."""
        return sum(WIDTHS[kind].itemsize * count for kind, _, count in self.pools)

    @property
    def constant_bytes(self) -> int:
        """Of all arrays of constants."""
        return sum(values.values.nbytes for _, values in self.arrays)


def compile_network(network: Network) -> Program:
    """The program of a fixed-point network.

    Raises:
        DeployError: it is floating point, or an operation has no kernel; the message names the node and says why.
    """
    if not network.header.fixed:
        raise DeployError("a C program holds integers: convert with --precision fixed")
    for name, node in network:
        if node.op.name not in KERNELS:
            raise DeployError(f"'{name}' is a {node.op.name}, which is not exported as C: {NO_KERNEL[node.op.name]}")
    times = timeline(network)
    kernels: dict[str, Kernel | None] = {}
    for name, node in network:
        try:
            kernels[name] = KERNELS[node.op.name](node.op, Place.of(network, name, times.windows))
        except DeployError as error:
            raise DeployError(f"'{name}' ({node.op.name}) is not exported as C: {error}") from error
    return _Compiler(network, times, kernels).program()


class _Compiler:
    """Puts the kernels of one network together."""

    def __init__(self, network: Network, times: Timeline, kernels: Mapping[str, Kernel | None]) -> None:
        self.network, self.times, self.kernels = network, times, kernels
        self.number = {name: i for i, name in enumerate(network.nodes)}
        self.arrays: dict[tuple[str, bytes], tuple[str, Constants]] = {}

    def program(self) -> Program:
        needs = list(self._needs())
        offsets, sizes = layout([need for _, need in needs])
        self.where: dict[str, list[str]] = {}
        for (owner, need), offset in zip(needs, offsets, strict=True):
            self.where.setdefault(owner, []).append(f"s->{POOLS[need.type]} + {offset}")
        nodes = tuple(
            (kernel.struct or kernel.function, f"node_{self.number[name]}", self._initialiser(kernel.constants))
            for name, kernel in self.kernels.items()
            if kernel is not None
        )
        return Program(
            tuple(self._step(name) for name in self.network.nodes),
            tuple(self.arrays.values()),
            nodes,
            tuple((kind, POOLS[kind], count) for kind, count in sizes.items() if count),
            self.times.period,
            size(self.network.input_shape),
            size(self.network[self.network.output].shape),
        )

    def _needs(self) -> Iterator[tuple[str, Need]]:
        """State, scratch and message of every node, in this order, by the node's name and what it is."""
        last = {name: self._last_reader(name) for name in self.network.nodes}
        for name, node in self.network:
            kernel, number = self.kernels[name], self.number[name]
            if kernel is None:
                continue
            span = self.times.span(self.network, name)
            for state in kernel.state:
                if state is not None:
                    yield f"{name} state", Need(state.type, state.size, span, 0, len(self.number))
            if kernel.scratch:
                yield f"{name} scratch", Need("int64_t", kernel.scratch, span, number, number)
            kind = "int8_t" if node.op.emits == "spikes" else "int32_t"
            yield f"{name} message", Need(kind, size(node.op.shape), self.times.windows[name], number, last[name])

    def _last_reader(self, name: str) -> int:
        """Number of the last node that reads a message, past nodes that hand it on as it is."""
        readers = self.network.readers(name)
        handed_on = [self._last_reader(reader) for reader in readers if self.kernels[reader] is None]
        return max([self.number[name], *map(self.number.__getitem__, readers), *handed_on])

    def _step(self, name: str) -> Step:
        op, kernel, number = self.network[name], self.kernels[name], self.number[name]
        kind = "int8_t" if op.emits == "spikes" else "int32_t"
        step = Step(number, name, op.name, self.times.span(self.network, name), kind, size(op.shape))
        messages = [self._message(source) for source in self.network.nodes[name].inputs]
        if kernel is None:
            return replace(step, alias=messages[0])
        state = iter(self.where.get(f"{name} state", ()))
        pointers = ["0" if part is None else next(state) for part in kernel.state]
        clears = tuple(
            (part.type, at, part.size) for at, part in zip(pointers, kernel.state, strict=True) if part is not None
        )
        operands = [f"(const int32_t *const[]){{{', '.join(messages)}}}"] if kernel.gathers else messages
        operands += ["0"] * kernel.absent
        return replace(
            step,
            function=kernel.function,
            arguments=(*operands, *pointers, *self.where.get(f"{name} scratch", ())),
            clears=clears,
            out=self.where[f"{name} message"][0],
        )

    def _message(self, source: str) -> str:
        """The variable of a node's message."""
        return "m_input" if source == Network.INPUT else f"m_{self.number[source]}"

    def _initialiser(self, struct: Struct) -> str:
        """Of a struct of constants, in designated fields."""
        return "{" + ", ".join(f".{name} = {self._value(value)}" for name, value in struct.items()) + "}"

    def _value(self, value: Value) -> str:
        if value is None:
            return "0"
        if isinstance(value, Constants):
            key = (value.type, value.values.tobytes())
            if key not in self.arrays:
                self.arrays[key] = (f"c_{len(self.arrays)}", value)
            return self.arrays[key][0]
        if isinstance(value, Mapping):
            return self._initialiser(value)
        return str(int(value))
