"""Approximate minimum degree: an order of elimination that keeps factors sparse, and its work."""

import numba
import numpy as np

DENSE = 10.0  # times sqrt(n) neighbours: nodes with more are eliminated last (Davis 2006, ch. 7)


@numba.njit(cache=True)
def minimum_degree(starts, neighbors):
    """Order the nodes of a graph for elimination (Amestoy, Davis & Duff 1996).

    Eliminating a node connects all its neighbours with each other. Next is always a node of fewest
    neighbours, by a bound on their number. The clique that it leaves, an element, is kept as the
    list of its nodes and stands for all their edges (George & Liu 1981, chapter 5): a node has a
    list of nodes and of elements, which never grows. Elements within a new one are dropped, and
    nodes of the same neighbours become one.

    Parameters
    ----------
    starts : (n + 1,) int64
        The neighbours of node i are neighbors[starts[i]:starts[i + 1]].
    neighbors : int32
        Symmetric, without the node itself, none twice.

    Returns
    -------
    order : (n,) int64
        Nodes as they should be eliminated.
    work : float
        Sum of the squared lengths of the factor's columns, diagonal included: multiplications of
        a Cholesky decomposition, half those of an LU decomposition.
    entries : int
        Sum of the lengths.
    """
    n = starts.shape[0] - 1
    # lists[starts[i]:][:length[i]] are the neighbours of node i, `plain` nodes and then elements.
    lists, length = neighbors.copy(), np.diff(starts)
    plain, degree = length.copy(), length.copy()
    # members[first[e]:][:size[e]] are the nodes of the element that node e left, `mass` in all.
    members, used = np.empty(2 * neighbors.shape[0] + 1, np.int32), 0
    first, size, mass = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    elements, made = np.empty(n, np.int64), 0
    alive = np.zeros(n, np.bool_)
    outside = np.empty(n, np.int64)  # nodes of an element that are not in the new one
    weight = np.ones(n, np.int64)  # nodes that a node stands for: none once eliminated or merged
    merged, last_merged = np.full(n, -1), np.arange(n)
    head, following, previous = np.full(n, -1), np.full(n, -1), np.full(n, -1)  # by degree
    seen, tag = np.zeros(n, np.int64), 0
    bucket, in_bucket = np.full(n, -1), np.full(n, -1)

    order, placed, dense, least = np.empty(n, np.int64), 0, 0, 0
    for i in range(n):
        if degree[i] > max(16.0, DENSE * np.sqrt(n)):
            weight[i] = 0
            dense += 1
            order[n - dense] = i
        else:
            _insert(i, degree[i], head, following, previous)
    work, entries = dense * (dense + 1) * (2 * dense + 1) / 6, dense * (dense + 1) // 2

    while placed + dense < n:
        while head[least] < 0:
            least += 1
        p = head[least]
        _remove(p, least, head, following, previous)

        # The new element: every neighbour of p, and those of its elements, which it replaces.
        begin, end = starts[p], starts[p] + length[p]
        room = plain[p]
        for e in lists[begin + plain[p] : end]:
            room += size[e]
        if used + room > members.shape[0]:
            used = _compact(elements[:made], alive, first, size, members)
        pivots, weight[p] = weight[p], 0
        tag += 1
        first[p] = used
        used = _gather(lists[begin : begin + plain[p]], weight, seen, tag, members, used)
        for e in lists[begin + plain[p] : end]:
            used = _gather(members[first[e] : first[e] + size[e]], weight, seen, tag, members, used)
            alive[e] = False
        new, total = members[first[p] : used], 0
        for i in new:
            total += weight[i]
            _remove(i, degree[i], head, following, previous)
            for e in lists[starts[i] + plain[i] : starts[i] + length[i]]:
                outside[e] = mass[e]
        for i in new:
            for e in lists[starts[i] + plain[i] : starts[i] + length[i]]:
                outside[e] -= weight[i]

        for i in new:
            begin, end, nodes = starts[i], starts[i] + length[i], starts[i] + plain[i]
            at, beyond, key = begin, 0, p
            for j in lists[begin:nodes]:
                if weight[j] > 0 and seen[j] != tag:
                    lists[at] = j
                    at, beyond, key = at + 1, beyond + weight[j], key + j
            plain[i] = at - begin
            for e in lists[nodes:end]:
                alive[e] = alive[e] and outside[e] > 0
                if alive[e]:
                    lists[at] = e
                    at, beyond, key = at + 1, beyond + outside[e], key + e
            lists[at] = p  # in the room of p itself, or of an element that it replaces
            length[i] = at + 1 - begin
            if length[i] == 1:  # no neighbour beyond the element: eliminated with p
                pivots, total, weight[i] = pivots + weight[i], total - weight[i], 0
                _merge(i, p, merged, last_merged)
            else:
                degree[i] = min(degree[i], beyond)
                in_bucket[i] = bucket[key % n]
                bucket[key % n] = i

        for i in new:
            key = 0
            if weight[i] > 0:
                for j in lists[starts[i] : starts[i] + length[i]]:
                    key += j
            i = bucket[key % n]
            bucket[key % n] = -1
            while i >= 0 and in_bucket[i] >= 0:
                tag += 1
                for j in lists[starts[i] : starts[i] + length[i]]:
                    seen[j] = tag
                earlier, j = i, in_bucket[i]
                while j >= 0:
                    if _same(j, i, lists, starts, length, plain, seen, tag):
                        weight[i] += weight[j]
                        weight[j] = 0
                        _merge(j, i, merged, last_merged)
                        in_bucket[earlier] = in_bucket[j]
                    else:
                        earlier = j
                    j = in_bucket[j]
                i = in_bucket[i]

        used = first[p]
        for i in new:
            if weight[i] > 0:
                members[used] = i
                used += 1
                bound = min(degree[i] + total, n - dense - placed - pivots) - weight[i]
                degree[i] = max(bound, 0)
                _insert(i, degree[i], head, following, previous)
                least = min(least, degree[i])
        size[p], mass[p], alive[p] = used - first[p], total, total > 0
        elements[made] = p
        made += 1
        for column in range(pivots):
            rows = float(total + dense + pivots - column)
            work += rows * rows
            entries += total + dense + pivots - column
        while p >= 0:
            order[placed] = p
            placed += 1
            p = merged[p]
    return order, work, entries


@numba.njit(cache=True)
def _insert(i, degree, head, following, previous):
    """Put a node in front of the list of its degree."""
    following[i], previous[i] = head[degree], -1
    if head[degree] >= 0:
        previous[head[degree]] = i
    head[degree] = i


@numba.njit(cache=True)
def _remove(i, degree, head, following, previous):
    """Take a node out of the list of its degree."""
    if previous[i] >= 0:
        following[previous[i]] = following[i]
    else:
        head[degree] = following[i]
    if following[i] >= 0:
        previous[following[i]] = previous[i]


@numba.njit(cache=True)
def _gather(nodes, weight, seen, tag, members, used):
    """Append nodes that are neither eliminated nor there already."""
    for j in nodes:
        if weight[j] > 0 and seen[j] != tag:
            seen[j] = tag
            members[used] = j
            used += 1
    return used


@numba.njit(cache=True)
def _merge(j, i, merged, last_merged):
    """Append the nodes that j stands for to those of i."""
    merged[last_merged[i]] = j
    last_merged[i] = last_merged[j]


@numba.njit(cache=True)
def _same(j, i, lists, starts, length, plain, seen, tag):
    """Whether j has the neighbours of i, which are marked."""
    if length[j] != length[i] or plain[j] != plain[i]:
        return False
    return np.all(seen[lists[starts[j] : starts[j] + length[j]]] == tag)


@numba.njit(cache=True)
def _compact(elements, alive, first, size, members):
    """Move the nodes of all elements that are left to the front; they lie in the order made."""
    used = 0
    for e in elements:
        if alive[e]:
            begin, first[e] = first[e], used
            for at in range(begin, begin + size[e]):
                members[used] = members[at]
                used += 1
    return used
