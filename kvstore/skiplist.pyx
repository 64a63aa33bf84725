"""A skip list of (score, member), with ranks: the order of a sorted set.

    lane 2   head ───────────────────────────► c ──────────────► nil
    lane 1   head ───────► a ───────────────► c ──────────────► nil
    lane 0   head ───────► a ──────► b ──────► c ──────► d ────► nil
                    1          1         1         1               spans

Each step knows how many elements it skips (its span), so a rank is a sum along the way down and
the element of a rank is found like the element of a score.  Pugh, "Skip lists: a probabilistic
alternative to balanced trees" (1990); spans are section 3.4 of his cookbook.

Invariants:
1. Elements are strictly ordered by score, then by the bytes of the member.
2. The spans of a lane sum up to the number of elements behind its start.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp

from kvstore.memory cimport gave, malloc_size, object_size, took

cdef enum:
    MAX_HEIGHT = 32


cdef int compare(const char* p, Py_ssize_t pn, const char* q, Py_ssize_t qn) noexcept:
    """Order of bytes, a prefix first."""
    cdef int order = memcmp(p, q, min(pn, qn))
    if order:
        return order
    return (pn > qn) - (pn < qn)


cdef inline Py_ssize_t node_size(int height) noexcept:
    return malloc_size(sizeof(Node) + (height - 1) * sizeof(Lane))


cdef int drop_node(Node* node) except -1:
    gave(node_size(node.height))
    free(node)
    return 0


cdef Node* new_node(int height, double score) except NULL:
    cdef Node* node = <Node*>malloc(sizeof(Node) + (height - 1) * sizeof(Lane))
    cdef int i
    if node is NULL:
        raise MemoryError
    took(node_size(height))
    node.score = score
    node.member = NULL
    node.height = height
    for i in range(height):
        node.lanes[i].next = NULL
        node.lanes[i].span = 0
    return node


cdef inline int order_of(const Node* node, double score, const char* p, Py_ssize_t n) noexcept:
    """Sign of node - (score, member)."""
    if node.score != score:
        return -1 if node.score < score else 1
    return compare(PyBytes_AS_STRING(<object>node.member),
                   PyBytes_GET_SIZE(<object>node.member), p, n)


@cython.no_gc                      # a member is bytes
cdef class SkipList:
    def __cinit__(self, Rand rand not None):
        self.rand = rand
        self.head = new_node(MAX_HEIGHT, 0)
        self.height = 1
        took(object_size(self))

    def __dealloc__(self):
        cdef Node* node = self.head
        cdef Node* next
        gave(object_size(self))
        while node is not NULL:
            next = node.lanes[0].next
            Py_XDECREF(node.member)
            drop_node(node)
            node = next

    cdef int insert(self, double score, bytes member) except -1:
        """Add an element known to be absent."""
        cdef Node* update[MAX_HEIGHT]
        cdef Py_ssize_t[MAX_HEIGHT] rank
        cdef Node* node = self.head
        cdef Node* next
        cdef Node* stop = NULL             # known to come after: not compared again a lane below
        cdef const char* p = PyBytes_AS_STRING(member)
        cdef Py_ssize_t n = PyBytes_GET_SIZE(member)
        cdef int i, height = 1
        cdef Py_ssize_t passed = 0
        while height < MAX_HEIGHT and self.rand.next() & 3 == 0:
            height += 1
        for i in range(self.height - 1, -1, -1):
            next = node.lanes[i].next
            while next is not stop and next is not NULL and order_of(next, score, p, n) < 0:
                passed += node.lanes[i].span
                node = next
                next = node.lanes[i].next
            stop = next
            update[i] = node
            rank[i] = passed
        for i in range(self.height, height):
            update[i] = self.head
            rank[i] = 0
            self.head.lanes[i].span = self.n
        self.height = max(self.height, height)
        node = new_node(height, score)
        Py_INCREF(member)
        node.member = <PyObject*>member
        for i in range(height):
            node.lanes[i].next = update[i].lanes[i].next
            update[i].lanes[i].next = node
            node.lanes[i].span = update[i].lanes[i].span - (passed - rank[i])
            update[i].lanes[i].span = passed - rank[i] + 1
        for i in range(height, self.height):
            update[i].lanes[i].span += 1
        self.n += 1
        return 0

    cdef bint remove(self, double score, const Arg* member) except -1:
        """Remove an element; False if it is not there."""
        cdef Node* update[MAX_HEIGHT]
        cdef Node* node = self.head
        cdef Node* next
        cdef Node* stop = NULL
        cdef int i
        for i in range(self.height - 1, -1, -1):
            next = node.lanes[i].next
            while next is not stop and next is not NULL and \
                    order_of(next, score, member.p, member.n) < 0:
                node = next
                next = node.lanes[i].next
            stop = next
            update[i] = node
        node = node.lanes[0].next
        if node is NULL or order_of(node, score, member.p, member.n) != 0:
            return False
        for i in range(self.height):
            if update[i].lanes[i].next == node:
                update[i].lanes[i].span += node.lanes[i].span - 1
                update[i].lanes[i].next = node.lanes[i].next
            else:
                update[i].lanes[i].span -= 1
        while self.height > 1 and self.head.lanes[self.height - 1].next is NULL:
            self.height -= 1
        self.n -= 1
        Py_DECREF(<object>node.member)
        drop_node(node)
        return True

    cdef Py_ssize_t count_below(self, double score, const Arg* member, bint after) noexcept:
        cdef Node* node = self.head
        cdef Node* next
        cdef Py_ssize_t passed = 0
        cdef int i, order
        for i in range(self.height - 1, -1, -1):
            while True:
                next = node.lanes[i].next
                if next is NULL:
                    break
                if member is NULL:
                    order = (next.score > score) - (next.score < score)
                elif score != score:
                    order = compare(PyBytes_AS_STRING(<object>next.member),
                                    PyBytes_GET_SIZE(<object>next.member), member.p, member.n)
                else:
                    order = order_of(next, score, member.p, member.n)
                if order > 0 or (order == 0 and not after):
                    break
                passed += node.lanes[i].span
                node = next
        return passed

    cdef Node* at(self, Py_ssize_t rank) noexcept:
        """Element of a rank, 0 the first; NULL behind the last."""
        cdef Node* node = self.head
        cdef Py_ssize_t left = rank + 1
        cdef int i
        if rank < 0 or rank >= self.n:
            return NULL
        for i in range(self.height - 1, -1, -1):
            while node.lanes[i].next is not NULL and node.lanes[i].span <= left:
                left -= node.lanes[i].span
                node = node.lanes[i].next
            if left == 0:
                return node
        return NULL
