"""The order of inner joins: exact dynamic programming over connected subgraphs, or greedy.

DPccp (Moerkotte and Neumann, VLDB 2006) visits every pair of a connected subgraph and a connected
complement joined by an edge exactly once, smaller sets first, and nothing else: on a chain of n
relations (n^3 - n) / 6 pairs, on a star (n - 1) 2^(n - 2), on a clique (3^n - 2^(n+1) + 1) / 2.
Beyond `budget` pairs it gives up, and greedy operator ordering (join what gives the fewest rows)
takes over.

Sets of relations are 64-bit masks; the table of best plans is open-addressed.  The model of a
join's cost is linear in its inputs and output, in PostgreSQL's units:

    hash     cost(left) + cost(right) + rows(right) * BUILD + rows(left) * PROBE + rows(out) * OUT
    lookup   cost(left) + rows(left) * cost of one index lookup + rows(out) * OUT
    cross    cost(left) + cost(right) + rows(left) * rows(right) * PAIR + rows(out) * OUT
"""

from libc.stdlib cimport calloc, free
from libc.string cimport memset

ctypedef unsigned long long mask_t

cdef extern from *:
    int ctz "__builtin_ctzll"(mask_t) nogil

cdef enum:
    HASH = 0
    LOOKUP = 1
    CROSS = 2

cdef double _BUILD = 0.02, _PROBE = 0.0125, _OUT = 0.01, _PAIR = 0.0025
METHODS = ("hash", "lookup", "cross")

cdef struct Best:
    mask_t key
    mask_t left
    double rows
    double cost
    int method

cdef struct Edge:
    mask_t ends
    double selectivity
    bint hashable


cdef class Graph:
    """Relations, predicates between them, and the best plan found for each set."""

    cdef int n
    cdef mask_t[64] near
    cdef mask_t[64] hashed
    cdef bint wide
    cdef mask_t[64] lookup_from
    cdef double[64] lookup_cost
    cdef Edge* edges
    cdef int edge_count
    cdef Best* table
    cdef mask_t room
    cdef mask_t used
    cdef readonly long long pairs
    cdef long long budget
    cdef bint over

    def __cinit__(self, list rows, list costs, list edges, list lookups, long long budget):
        cdef int i
        cdef Best* best
        self.n = len(rows)
        if not 1 <= self.n <= 64:
            raise ValueError("1 to 64 relations")
        self.budget = budget
        self.room = 1 << 10
        self.table = <Best*> calloc(self.room, sizeof(Best))
        self.edge_count = len(edges)
        self.edges = <Edge*> calloc(self.edge_count + 1, sizeof(Edge))
        if self.table == NULL or self.edges == NULL:
            raise MemoryError
        memset(self.near, 0, sizeof(self.near))
        memset(self.hashed, 0, sizeof(self.hashed))
        memset(self.lookup_from, 0, sizeof(self.lookup_from))
        for i, (ends, selectivity, hashable) in enumerate(edges):
            self.edges[i].ends = ends
            self.edges[i].selectivity = selectivity
            self.edges[i].hashable = hashable
            if not hashable:
                continue
            if _two(self.edges[i].ends):
                self.hashed[ctz(ends)] |= <mask_t> ends & (<mask_t> ends - 1)
                self.hashed[ctz(<mask_t> ends & (<mask_t> ends - 1))] |= (
                    <mask_t> ends & (~<mask_t> ends + 1))
            else:
                self.wide = True
        for relation, ends, cost in lookups:
            self.lookup_from[relation] |= <mask_t> ends
            self.lookup_cost[relation] = cost
        for i in range(self.n):
            best = self._slot(<mask_t> 1 << i)
            best.rows = rows[i]
            best.cost = costs[i]

    def __dealloc__(self):
        free(self.table)
        free(self.edges)

    # ------------------------------------------------------------------ the table of best plans

    cdef Best* _find(self, mask_t key) noexcept nogil:
        cdef mask_t at = (key * 0x9E3779B97F4A7C15ULL) >> 20 & (self.room - 1)
        while self.table[at].key != key:
            if self.table[at].key == 0:
                return NULL
            at = (at + 1) & (self.room - 1)
        return &self.table[at]

    cdef Best* _slot(self, mask_t key) except NULL:
        """The entry of a set, new ones with cost -1."""
        cdef mask_t at, place = 0
        cdef Best* old
        cdef mask_t old_room
        if self.used * 2 >= self.room:
            old = self.table
            old_room = self.room
            self.table = <Best*> calloc(self.room * 4, sizeof(Best))
            if self.table == NULL:
                self.table = old
                raise MemoryError
            self.room = old_room * 4
            while place < old_room:
                if old[place].key:
                    at = (old[place].key * 0x9E3779B97F4A7C15ULL) >> 20 & (self.room - 1)
                    while self.table[at].key:
                        at = (at + 1) & (self.room - 1)
                    self.table[at] = old[place]
                place += 1
            free(old)
        at = (key * 0x9E3779B97F4A7C15ULL) >> 20 & (self.room - 1)
        while self.table[at].key and self.table[at].key != key:
            at = (at + 1) & (self.room - 1)
        if self.table[at].key == 0:
            self.table[at].key = key
            self.table[at].cost = -1
            self.used += 1
        return &self.table[at]

    # ------------------------------------------------------------------ joining two sets

    cdef double _selectivity(self, mask_t one, mask_t two) noexcept nogil:
        """Of all predicates that become applicable by joining two sets."""
        cdef double result = 1
        cdef mask_t both = one | two, ends
        cdef int i
        for i in range(self.edge_count):
            ends = self.edges[i].ends
            if ends & one and ends & two and not ends & ~both:
                result *= self.edges[i].selectivity
        return result

    cdef bint _hashable(self, mask_t one, mask_t two) noexcept nogil:
        """Whether some equality holds between the two sets."""
        cdef mask_t rest = one, ends
        cdef int i
        while rest:
            if self.hashed[ctz(rest)] & two:
                return True
            rest &= rest - 1
        if self.wide:
            for i in range(self.edge_count):
                ends = self.edges[i].ends
                if self.edges[i].hashable and ends & one and ends & two and (
                        not ends & ~(one | two)):
                    return True
        return False

    cdef int _join(self, mask_t one, mask_t two) except -1:
        """Consider joining the best plans of two disjoint sets, both ways round."""
        cdef Best a = self._find(one)[0]
        cdef Best b = self._find(two)[0]
        cdef Best* best = self._slot(one | two)
        cdef bint hashable = (self._hashable(one, two) if one & (one - 1) == 0
                              else self._hashable(two, one))
        cdef double rows
        if best.cost < 0:
            rows = a.rows * b.rows * self._selectivity(one, two)
            best.rows = rows if rows > 1 else 1
        self._consider(best, &a, &b, hashable)
        self._consider(best, &b, &a, hashable)
        return 0

    cdef void _consider(self, Best* best, Best* left, Best* right, bint hashable) noexcept nogil:
        cdef double cost
        cdef int method = HASH, relation
        if hashable:
            cost = left.cost + right.cost + right.rows * _BUILD + left.rows * _PROBE
        else:
            method = CROSS
            cost = left.cost + right.cost + left.rows * right.rows * _PAIR
        if right.key & (right.key - 1) == 0:
            relation = ctz(right.key)
            if self.lookup_from[relation] & left.key:
                if left.cost + left.rows * self.lookup_cost[relation] < cost:
                    method = LOOKUP
                    cost = left.cost + left.rows * self.lookup_cost[relation]
        cost += best.rows * _OUT
        if best.cost < 0 or cost < best.cost:
            best.cost = cost
            best.left = left.key
            best.method = method

    # ------------------------------------------------------------------ DPccp

    cdef mask_t _near(self, mask_t of) noexcept nogil:
        cdef mask_t found = 0, rest = of
        while rest:
            found |= self.near[ctz(rest)]
            rest &= rest - 1
        return found & ~of

    cdef int _grow(self, mask_t one, mask_t banned, mask_t other) except -1:
        """Extend a connected set by subsets of its neighbours.

        With other = 0 each result is a left side, whose partners are then sought; otherwise each is
        a partner of `other`.
        """
        cdef mask_t near = self._near(one) & ~banned, subset
        if near == 0 or self.over:
            return 0
        subset = near & (~near + 1)
        while subset:
            if other:
                self._pair(other, one | subset)
            else:
                self._partners(one | subset)
            if self.over:
                return 0
            subset = (subset - near) & near
        subset = near & (~near + 1)
        while subset:
            self._grow(one | subset, banned | near, other)
            subset = (subset - near) & near
        return 0

    cdef int _partners(self, mask_t one) except -1:
        """All connected sets joined to `one` by an edge, each pair seen from one side only."""
        cdef mask_t lowest = one & (~one + 1)
        cdef mask_t banned = one | (lowest - 1) | lowest
        cdef mask_t near = self._near(one) & ~banned, rest = near, bit
        while rest:
            bit = <mask_t> 1 << (63 - _clz(rest))
            rest ^= bit
            self._pair(one, bit)
            # Neighbours below this one are taken by their own turn.
            self._grow(bit, banned | ((bit - 1) | bit) & near, one)
            if self.over:
                return 0
        return 0

    cdef int _pair(self, mask_t one, mask_t two) except -1:
        self.pairs += 1
        if self.pairs > self.budget:
            self.over = True
            return 0
        return self._join(one, two)

    def exact(self):
        """Run DPccp; False when the budget ran out.  The graph must be connected."""
        cdef int i
        cdef mask_t bit, ends
        memset(self.near, 0, sizeof(self.near))
        for i in range(self.edge_count):
            ends = self.edges[i].ends
            if _two(ends):
                self.near[ctz(ends)] |= ends & (ends - 1)
                self.near[ctz(ends & (ends - 1))] |= ends & (~ends + 1)
        for i in range(self.n - 1, -1, -1):
            bit = <mask_t> 1 << i
            self._partners(bit)
            self._grow(bit, (bit - 1) | bit, 0)
            if self.over:
                return False
        return self._find(_all(self.n)) != NULL

    # ------------------------------------------------------------------ greedy

    def greedy(self):
        """Join, again and again, the two sets whose result is smallest, connected ones first."""
        cdef list sets = [<mask_t> 1 << i for i in range(self.n)]
        cdef mask_t one, two, best_one, best_two
        cdef double rows, best_rows
        cdef int i, j, k, linked, best_linked
        while len(sets) > 1:
            best_one = best_two = 0
            best_rows = 0
            best_linked = 0
            for i in range(len(sets)):
                one = sets[i]
                for j in range(i + 1, len(sets)):
                    two = sets[j]
                    linked = 0
                    for k in range(self.edge_count):
                        if self.edges[k].ends & one and self.edges[k].ends & two and not (
                                self.edges[k].ends & ~(one | two)):
                            linked = 1
                            break
                    if linked < best_linked:
                        continue
                    rows = (self._find(one).rows * self._find(two).rows
                            * self._selectivity(one, two))
                    if best_one == 0 or linked > best_linked or rows < best_rows:
                        best_one, best_two, best_rows, best_linked = one, two, rows, linked
            self._join(best_one, best_two)
            sets = [s for s in sets if s != best_one and s != best_two] + [best_one | best_two]

    def tree(self, mask=None):
        """The plan found: a relation's number, or (left, right, method, rows, cost)."""
        cdef mask_t key = _all(self.n) if mask is None else <mask_t> mask
        cdef Best* best = self._find(key)
        if key & (key - 1) == 0:
            return ctz(key)
        return (self.tree(best.left), self.tree(key & ~best.left), METHODS[best.method],
                best.rows, best.cost)


cdef inline mask_t _all(int n) noexcept nogil:
    return ~<mask_t> 0 if n == 64 else (<mask_t> 1 << n) - 1


cdef inline bint _two(mask_t ends) noexcept nogil:
    """Whether exactly two bits are set."""
    return ends & (ends - 1) != 0 and (ends & (ends - 1)) & ((ends & (ends - 1)) - 1) == 0


cdef extern from *:
    int _clz "__builtin_clzll"(mask_t) nogil


def order(list rows, list costs, list edges, lookups=(), long long budget=300_000):
    """The best order found for joining relations.

    rows, costs   of each relation       edges    (mask of relations, selectivity, can be hashed)
    lookups       (relation, mask of relations that give its key, cost of one lookup)

    Returns (tree, pairs, exact).  Components that no edge joins are joined at the end.
    """
    cdef Graph graph = Graph(rows, costs, list(edges), list(lookups), budget)
    exact = _connected(len(rows), edges) and graph.exact()
    pairs = graph.pairs
    if not exact:
        graph = Graph(rows, costs, list(edges), list(lookups), budget)
        graph.greedy()
    return graph.tree(), pairs, exact


def _connected(int n, list edges):
    """Whether two-sided edges connect all relations."""
    cdef mask_t reached = 1, before = 0, ends
    while reached != before:
        before = reached
        for edge in edges:
            ends = <mask_t> edge[0]
            if _two(ends) and ends & reached:
                reached |= ends
    return reached == _all(n)
