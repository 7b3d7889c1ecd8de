"""Lists every single connection of a network as a pair of neurons, for simulators, and to check the counted ones.

Each synapse or product is a table of the source neurons that drive each of its outputs, and routes are index maps, so
that all pairs into a reader are one gather. Pairs are in the order of the reader's neurons.
"""

from __future__ import annotations

import numpy as np

from processes.footprint import drivers
from processes.network import Network
from processes.populations import Connection, Population, wiring


def edges(network: Network, population: Population, connection: Connection) -> tuple[np.ndarray, np.ndarray]:
    """(pre, post) of every synapse, int64: flat indices of the source's neurons and the population's neurons or rows.

    ``pre`` indexes relays (kind "gather") or row neurons ("spread") where these send, and ``post`` indexes rows if the
    connection is ``to_row``. Rows are in the order of a sample's axes without the last.
    """
    size, columns = population.rows * population.columns, population.columns
    row_of = np.arange(size) // columns
    if connection.kind == "spread":
        return row_of, np.arange(size)
    if connection.kind == "gather":
        own = connection.source == population.name
        pre = np.arange(size) if own else wiring(network, connection.operand).reshape(-1)
        return _drop_padding(pre, row_of)
    table = _table(network, connection)
    if table is None:
        pre = wiring(network, connection.operand)
        post = np.arange(pre.size) // pre.shape[-1] if connection.to_row else np.arange(pre.size)
        return _drop_padding(pre.reshape(-1), post)
    if connection.via == population.name:
        outputs = np.arange(size)
    else:
        operand = next(name for name in network.nodes[population.name].inputs if network.origin(name) == connection.via)
        outputs = wiring(network, operand).reshape(-1)
    post = np.nonzero(outputs >= 0)[0]
    driven = table[outputs[post]]
    return _drop_padding(driven.reshape(-1), np.repeat(post, driven.shape[1]))


def _drop_padding(pre: np.ndarray, post: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    real = pre >= 0
    return pre[real], post[real]


def _table(network: Network, connection: Connection) -> np.ndarray | None:
    """Source neurons of every output of the node between, (outputs, fan-in); -1 is padding. None: direct messages."""
    op = network[connection.via]
    if drivers.statement(type(op)).answer is None:
        return None
    operand = network.nodes[connection.via].inputs.index(connection.operand)
    return drivers(op, operand, wiring(network, connection.operand))
