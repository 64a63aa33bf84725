"""Regular expressions in linear time: does one match the whole of a text?

Python's `re` tries one way after another; where repeats stand within repeats it may take as many as
2^n.  Here all ways are followed at once (Thompson): a state is the set of places in the pattern that
the text so far may have led to, and what follows it by a character is worked out once and kept, so a
text costs one look-up for each of its characters.

    pattern ──re's own parser──► program: CHAR test | SPLIT a, b | JUMP a | BEGIN | END | MATCH
    states  : sets of places, made when first met; forgotten when there are too many

Left out: word boundaries, `^` and `$` of lines, possessive repeats; who needs those is told by
`automaton_of`, which then makes none.
"""

import re
from re import _constants as c
from re import _parser

cdef enum:
    CHAR = 0
    SPLIT = 1
    JUMP = 2
    BEGIN = 3
    END = 4
    MATCH = 5
    PROGRAM_MAX = 20_000
    STATES_MAX = 2_000

cdef dict CATEGORIES = {
    c.CATEGORY_DIGIT: re.compile(r"\d"), c.CATEGORY_NOT_DIGIT: re.compile(r"\D"),
    c.CATEGORY_SPACE: re.compile(r"\s"), c.CATEGORY_NOT_SPACE: re.compile(r"\S"),
    c.CATEGORY_WORD: re.compile(r"\w"), c.CATEGORY_NOT_WORD: re.compile(r"\W"),
}
cdef object REPEATS = frozenset((c.MAX_REPEAT, c.MIN_REPEAT))


class Unsupported(Exception):
    """A pattern with something that this has no instruction for."""


def automaton_of(str pattern):
    """The automaton of a pattern in Python's syntax; None where `re` is as good, or needed."""
    tree = _parser.parse(pattern)
    if not is_risky(tree, 0) and loops(tree) < 3:
        return None
    try:
        return Automaton(tree)
    except Unsupported:
        return None


cdef bint is_risky(tree, int depth) except -1:
    """Whether a repeat holds another, or a choice."""
    for kind, what in tree:
        if kind is c.BRANCH:
            if depth or any([is_risky(one, depth) for one in what[1]]):
                return True
        elif kind in REPEATS:
            if depth or is_risky(what[2], depth + (what[1] > 1)):
                return True
        elif kind is c.SUBPATTERN and is_risky(what[3], depth):
            return True
    return False


cdef int loops(tree) except -1:
    """How many repeats without an end there are, in a row or a choice."""
    cdef int found = 0
    for kind, what in tree:
        if kind is c.BRANCH:
            found += max([loops(one) for one in what[1]])
        elif kind in REPEATS:
            found += what[1] is c.MAXREPEAT
        elif kind is c.SUBPATTERN:
            found += loops(what[3])
    return found


cdef class State:
    """A set of places; next: character -> State."""

    cdef frozenset places
    cdef dict next
    cdef bint accepts              # if the text ends here

    def __init__(self, frozenset places, bint accepts):
        self.places = places
        self.accepts = accepts
        self.next = {}


cdef class Automaton:
    """See the module."""

    cdef list kind, first, second  # of each instruction; first of CHAR is its test
    cdef dict states
    cdef State start

    def __init__(self, tree):
        self.kind, self.first, self.second = [], [], []
        self.states = {}
        self.sequence(tree, tree.state.flags)
        self.emit(MATCH, None, None)
        self.start = State(frozenset(self.closure([0], True, False)),
                           self.end() in self.closure([0], True, True))

    def matches(self, str text) -> bool:
        """Whether the pattern matches all of a text."""
        cdef State state = self.start, following
        cdef str letter
        for letter in text:
            following = <State>state.next.get(letter)
            if following is None:
                following = self.step(state, letter)
            state = following
        return state.accepts

    # ---- states ----------------------------------------------------------------------------

    cdef State step(self, State state, str letter):
        cdef list reached = [
            place + 1 for place in state.places
            if self.kind[place] == CHAR and self.first[place](letter)]
        cdef State found
        if len(self.states) > STATES_MAX:
            self.states.clear()
            state.next.clear()
        found = self.state(self.closure(reached, False, False))
        state.next[letter] = found
        return found

    cdef State state(self, set places):
        cdef frozenset key = frozenset(places)
        cdef State found = self.states.get(key)
        if found is None:
            found = self.states[key] = State(
                key, self.end() in self.closure(list(key), False, True))
        return found

    cdef Py_ssize_t end(self):
        """The place of MATCH."""
        return len(self.kind) - 1

    cdef set closure(self, list waiting, bint at_begin, bint at_end):
        """All places that can be reached from these without a character."""
        cdef set found = set()
        while waiting:
            place = waiting.pop()
            if place in found:
                continue
            found.add(place)
            kind = self.kind[place]
            if kind == SPLIT:
                waiting.append(self.first[place])
                waiting.append(self.second[place])
            elif kind == JUMP:
                waiting.append(self.first[place])
            elif kind == BEGIN and at_begin or kind == END and at_end:
                waiting.append(place + 1)
        return found

    # ---- the program -----------------------------------------------------------------------

    cdef Py_ssize_t emit(self, int kind, first, second) except -1:
        if len(self.kind) >= PROGRAM_MAX:
            raise re.error("expression is too large")
        self.kind.append(kind)
        self.first.append(first)
        self.second.append(second)
        return len(self.kind) - 1

    cdef sequence(self, tree, int flags):
        for kind, what in tree:
            if kind is c.BRANCH:
                self.branch(what[1], flags)
            elif kind in REPEATS:
                self.repeat(what[0], what[1], what[2], flags)
            elif kind is c.SUBPATTERN:
                self.sequence(what[3], (flags | what[1]) & ~what[2])
            elif kind is c.AT:
                self.edge(what, flags)
            else:
                self.emit(CHAR, test_of(kind, what, flags), None)

    cdef edge(self, where, int flags):
        begins = (c.AT_BEGINNING, c.AT_BEGINNING_STRING)
        if flags & re.MULTILINE or where not in (*begins, c.AT_END, c.AT_END_STRING):
            raise Unsupported(where)
        # For RE2 `$` is the end, for `re` also what is before a last line feed.
        self.emit(BEGIN if where in begins else END, None, None)

    cdef branch(self, choices, int flags):
        cdef list ends = []
        for number, one in enumerate(choices):
            if number + 1 < len(choices):
                split = self.emit(SPLIT, len(self.kind) + 1, None)
                self.sequence(one, flags)
                ends.append(self.emit(JUMP, None, None))
                self.second[split] = len(self.kind)
            else:
                self.sequence(one, flags)
        for end in ends:
            self.first[end] = len(self.kind)

    cdef repeat(self, least, most, tree, int flags):
        cdef list splits = []
        for _ in range(least):
            self.sequence(tree, flags)
        if most is c.MAXREPEAT:
            split = self.emit(SPLIT, len(self.kind) + 1, None)
            self.sequence(tree, flags)
            self.emit(JUMP, split, None)
            self.second[split] = len(self.kind)
            return
        for _ in range(most - least):
            splits.append(self.emit(SPLIT, len(self.kind) + 1, None))
            self.sequence(tree, flags)
        for split in splits:
            self.second[split] = len(self.kind)


def test_of(kind, what, int flags):
    """A function that tells whether a character meets an element of a pattern."""
    if kind is c.ANY:
        return (lambda x: True) if flags & re.DOTALL else (lambda x: x != "\n")
    if kind is c.IN:
        negated = what[0][0] is c.NEGATE
        tests = [test_of(*one, flags) for one in (what[1:] if negated else what)]
        return lambda x: any([test(x) for test in tests]) != negated
    if kind is c.CATEGORY and what in CATEGORIES:
        pattern = CATEGORIES[what]
        return lambda x: pattern.match(x) is not None
    if kind is c.NOT_LITERAL:
        same = test_of(c.LITERAL, what, flags)
        return lambda x: not same(x)
    if kind is not c.LITERAL and kind is not c.RANGE:
        raise Unsupported(kind)
    low, high = (what, what) if kind is c.LITERAL else what
    if flags & re.IGNORECASE:
        return lambda x: any([
            low <= ord(one) <= high for one in (x, x.lower(), x.upper()) if len(one) == 1])
    return lambda x: low <= ord(x) <= high
