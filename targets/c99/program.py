"""Assembles a network's C program: each node's kernel and constants, and where its state and message lie in memory."""

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
    """The call of one node's kernel in network_step.

    Attributes:
        number: position in the network; the C variable of the node's message is m_NUMBER.
        name, operation: of the node, for comments.
        span: the time steps in which the kernel is called.
        type, size: C type and number of its message's values.
        function: name of the kernel, without "_step".
        arguments: C expressions of the kernel's arguments between the time step and the message.
        clears: (type, pointer, size) of the state to be set to zero at the beginning of the span.
        out: C expression of where the message is written.
        alias: C variable of the message that a node without a kernel passes on; empty if the node has a kernel.
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
    """A network's C program, with which the templates are filled.

    Attributes:
        steps: one for each node, in the network's order.
        arrays: (name, constants) of all arrays of constants; equal ones are stored once.
        nodes: (struct, name, initialiser) of every kernel's constants.
        pools: (type, name, number of values) of the arrays in struct network.
        period: time steps of a sample.
        inputs, outputs: numbers of values.
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
        """Size of struct network."""
        return sum(WIDTHS[kind].itemsize * count for kind, _, count in self.pools)

    @property
    def constant_bytes(self) -> int:
        """Size of all arrays of constants."""
        return sum(values.values.nbytes for _, values in self.arrays)


def compile_network(network: Network) -> Program:
    """Compile a fixed-point network to a C program.

    Raises:
        DeployError: the network is floating point, or a node, which the message names, has no kernel.
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
    """Assembles the kernels of one network; ``arrays`` collects its constants."""

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
        """Memory needs of every node as ("NAME state", "NAME scratch" or "NAME message", need), in this order."""
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
        """Number of the last node that reads node ``name``'s message, directly or through nodes without a kernel."""
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
        """The C variable of a node's message."""
        return "m_input" if source == Network.INPUT else f"m_{self.number[source]}"

    def _initialiser(self, struct: Struct) -> str:
        """C initialiser of a struct of constants, with designated fields; arrays are added to ``arrays``."""
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
