"""Places on Earth: GEOADD, GEODIST, GEOHASH, GEOPOS, GEOSEARCH and its older forms GEORADIUS.

A set of places is a sorted set whose scores are geohashes (geohash.pyx).  A search takes the cells
around its centre, reads their ranges of scores and measures every member of them.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint64_t

from bedrock.net.buf cimport Buf
from kvstore.binding cimport define
from kvstore.engine cimport Client
from kvstore.geohash cimport (
    POLE, STEPS, Place, ScoreRange, Shape, cells_of, distance, encode, place_of, within,
)
from kvstore.keyspace cimport ZSET, as_arg
from kvstore.resp cimport (
    Arg, Args, format_long_double, is_word, parse_double, parse_int, put_array, put_bytes, put_int,
    put_nil, put_nil_array,
)
from kvstore.resp import ReplyError
from kvstore.zset_commands cimport put_member, store_zset, zadd
from kvstore.zsets cimport Mark, ZSet, new_zset

BAD_UNIT = "ERR unsupported unit provided. please use M, KM, FT, MI"
LETTERS = b"0123456789bcdefghjkmnpqrstuvwxyz"


cdef double unit_of(const Arg* arg) except -1:
    """Metres of a unit."""
    if is_word(arg, "m"):
        return 1
    if is_word(arg, "km"):
        return 1000
    if is_word(arg, "ft"):
        return 0.3048
    if is_word(arg, "mi"):
        return 1609.34
    raise ReplyError(BAD_UNIT)


cdef double number_of(const Arg* arg, str what) except? -1:
    cdef double value
    if not parse_double(arg.p, arg.n, &value):
        raise ReplyError(f"ERR need numeric {what}" if what else "ERR value is not a valid float")
    return value


cdef Place point_of(const Arg* longitude, const Arg* latitude) except *:
    cdef Place place
    place.longitude = number_of(longitude, "")
    place.latitude = number_of(latitude, "")
    if not (-180 <= place.longitude <= 180 and -POLE <= place.latitude <= POLE):
        raise ReplyError("ERR invalid longitude,latitude pair "
                         f"{place.longitude:.6f},{place.latitude:.6f}")
    return place


cdef int put_distance(Buf out, double metres) except -1:
    return put_bytes(out, b"%.4f" % metres)


cdef int put_place(Buf out, Place place, int resp) except -1:
    put_array(out, 2)
    for value in (place.longitude, place.latitude):
        text = format_long_double(value)
        if resp == 3:
            out.write(b",%b\r\n" % text)
        else:
            put_bytes(out, text)
    return 0


# ---------------------------------------------------------------------- places

cdef int geoadd(Client c, Args a, Buf out) except -1:
    cdef list words = ["zadd", a.text(1)]
    cdef bint added_only = False, changed_only = False
    cdef Py_ssize_t i = 2
    cdef Place place
    while i < a.n:
        if is_word(&a.v[i], "nx"):
            added_only = True
        elif is_word(&a.v[i], "xx"):
            changed_only = True
        elif not is_word(&a.v[i], "ch"):
            break
        words.append(a.text(i))
        i += 1
    if (a.n - i) % 3 or i == a.n or (added_only and changed_only):
        raise ReplyError("ERR syntax error")
    while i < a.n:
        place = point_of(&a.v[i], &a.v[i + 1])
        words.append(encode(place.longitude, place.latitude, POLE, STEPS))
        words.append(a.text(i + 2))
        i += 3
    return zadd(c, Args.of(*words), out)


cdef bint find_place(ZSet value, const Arg* member, Place* place) noexcept:
    cdef double score
    if value is None or not value.score_of(member, &score):
        return False
    place[0] = place_of(score)
    return True


cdef int geodist(Client c, Args a, Buf out) except -1:
    cdef ZSet value
    cdef Place one, other
    cdef double unit = 1
    if a.n > 5:
        raise ReplyError("ERR syntax error")
    if a.n == 5:
        unit = unit_of(&a.v[4])
    value = <ZSet>c.db.read_kind(&a.v[1], ZSET)
    if not find_place(value, &a.v[2], &one) or not find_place(value, &a.v[3], &other):
        return put_nil(out, c.resp)
    return put_distance(out, distance(one, other) / unit)


cdef int geopos(Client c, Args a, Buf out) except -1:
    cdef ZSet value = <ZSet>c.db.read_kind(&a.v[1], ZSET)
    cdef Place place
    cdef Py_ssize_t i
    put_array(out, a.n - 2)
    for i in range(2, a.n):
        if find_place(value, &a.v[i], &place):
            put_place(out, place, c.resp)
        else:
            put_nil_array(out, c.resp)
    return 0


cdef int geohash(Client c, Args a, Buf out) except -1:
    """The usual geohash counts latitudes from pole to pole; 52 bits are ten letters and a bit."""
    cdef ZSet value = <ZSet>c.db.read_kind(&a.v[1], ZSET)
    cdef Place place
    cdef uint64_t bits
    cdef Py_ssize_t i
    put_array(out, a.n - 2)
    for i in range(2, a.n):
        if not find_place(value, &a.v[i], &place):
            put_nil(out, c.resp)
            continue
        bits = encode(place.longitude, place.latitude, 90, STEPS)
        put_bytes(out, bytes([LETTERS[bits >> (47 - 5 * k) & 31] for k in range(10)]) + b"0")
    return 0


# ---------------------------------------------------------------------- searching

cdef class Search:
    """What is asked for: where, how much of it, and what is answered."""

    cdef Shape shape
    cdef double unit
    cdef int order                 # 1 ascending, -1 descending, 0 as found
    cdef int64_t count             # 0 = all
    cdef bint any
    cdef bint with_place, with_distance, with_hash
    cdef bint store_distance
    cdef const Arg* target         # where the result is kept, or NULL
    cdef list found                # [distance in units, score, member]

    def __cinit__(self):
        self.shape.width = -1
        self.unit = 1
        self.found = []

    cdef int measure(self, ZSet value) except -1:
        """Find the members within the shape."""
        cdef ScoreRange[9] ranges
        cdef int i, n = cells_of(&self.shape, ranges)
        cdef Mark mark
        cdef Arg member
        cdef double metres, score
        cdef Place place
        for i in range(n):
            mark = value.at(value.count_below(ranges[i].low, NULL, False))
            while value.next(&mark, &member, &score) and score < ranges[i].high:
                place = place_of(score)
                if within(&self.shape, place, &metres):
                    self.found.append((metres / self.unit, score,
                                       PyBytes_FromStringAndSize(member.p, member.n)))
                    if self.any and <int64_t>len(self.found) >= self.count:
                        break
            if self.any and <int64_t>len(self.found) >= self.count:
                break
        if self.order:
            self.found.sort(key=lambda each: each[0], reverse=self.order < 0)
        if self.count:
            del self.found[self.count:]
        return 0

    cdef int answer(self, Client c, Buf out) except -1:
        cdef int extras = self.with_distance + self.with_hash + self.with_place
        put_array(out, len(self.found))
        for metres, score, member in self.found:
            if not extras:
                put_bytes(out, member)
                continue
            put_array(out, 1 + extras)
            put_bytes(out, member)
            if self.with_distance:
                put_distance(out, metres)
            if self.with_hash:
                put_int(out, <int64_t><double>score)
            if self.with_place:
                put_place(out, place_of(score), c.resp)
        return 0

    cdef int store(self, Client c, str event, Buf out) except -1:
        cdef ZSet value = new_zset(c.store.world.rand)
        cdef Arg member
        for metres, score, name in self.found:
            member = as_arg(name)
            put_member(c, value, &member, metres if self.store_distance else score)
        return store_zset(c, self.target, value, event, out)


cdef int centre_on(Search s, ZSet value, const Arg* member) except -1:
    """Search around a member; of a set that is not there nothing will be found anyway."""
    if value is not None and not find_place(value, member, &s.shape.centre):
        raise ReplyError("ERR could not decode requested zset member")
    return 0


cdef int circle(Search s, const Arg* radius, const Arg* unit) except -1:
    s.shape.radius = number_of(radius, "radius")
    if s.shape.radius < 0:
        raise ReplyError("ERR radius cannot be negative")
    s.unit = unit_of(unit)
    s.shape.radius *= s.unit
    return 0


cdef int box(Search s, const Arg* width, const Arg* height, const Arg* unit) except -1:
    s.shape.width = number_of(width, "width")
    s.shape.height = number_of(height, "height")
    if s.shape.width < 0 or s.shape.height < 0:
        raise ReplyError("ERR height or width cannot be negative")
    s.unit = unit_of(unit)
    s.shape.width *= s.unit
    s.shape.height *= s.unit
    return 0


cdef Py_ssize_t option(Search s, Args a, Py_ssize_t i) except -1:
    """An option that every search takes, at word i; the words it has, 0 if it is none."""
    if is_word(&a.v[i], "withdist"):
        s.with_distance = True
    elif is_word(&a.v[i], "withhash"):
        s.with_hash = True
    elif is_word(&a.v[i], "withcoord"):
        s.with_place = True
    elif is_word(&a.v[i], "any"):
        s.any = True
    elif is_word(&a.v[i], "asc"):
        s.order = 1
    elif is_word(&a.v[i], "desc"):
        s.order = -1
    elif is_word(&a.v[i], "count") and i + 1 < a.n:
        if not parse_int(a.v[i + 1].p, a.v[i + 1].n, &s.count):
            raise ReplyError("ERR value is not an integer or out of range")
        if s.count <= 0:
            raise ReplyError("ERR COUNT must be > 0")
        return 2
    else:
        return 0
    return 1


cdef int conduct(Client c, Search s, ZSet value, str event, str what, Buf out) except -1:
    """Search and answer, or keep the result."""
    if s.target is not NULL and (s.with_distance or s.with_hash or s.with_place):
        raise ReplyError(
            f"ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
    if s.any and not s.count:
        raise ReplyError("ERR the ANY argument requires COUNT argument")
    if s.count and not s.order and not s.any:
        s.order = 1
    if value is not None:
        s.measure(value)
    if s.target is NULL:
        return s.answer(c, out)
    return s.store(c, event, out)


cdef int radius_search(Client c, Args a, Buf out, bint by_member, bint may_store) except -1:
    """GEORADIUS key longitude latitude radius unit ..., GEORADIUSBYMEMBER key member radius ..."""
    cdef Search s = Search()
    cdef Py_ssize_t i = 5 if by_member else 6, taken
    cdef ZSet value
    value = <ZSet>c.db.read_kind(&a.v[1], ZSET)
    if by_member:
        centre_on(s, value, &a.v[2])
    else:
        s.shape.centre = point_of(&a.v[2], &a.v[3])
    if value is not None or not by_member:
        circle(s, &a.v[i - 2], &a.v[i - 1])
    while i < a.n:
        taken = option(s, a, i)
        if taken:
            i += taken
        elif may_store and i + 1 < a.n and (
                is_word(&a.v[i], "store") or is_word(&a.v[i], "storedist")):
            s.store_distance = is_word(&a.v[i], "storedist")
            s.target = &a.v[i + 1]
            i += 2
        else:
            raise ReplyError("ERR syntax error")
    return conduct(c, s, value, "georadiusstore", "STORE option in GEORADIUS", out)


cdef int area_search(Client c, Args a, Buf out, Py_ssize_t key) except -1:
    """GEOSEARCH key ...; with the key second, GEOSEARCHSTORE target key ..."""
    cdef Search s = Search()
    cdef Py_ssize_t i = key + 1, taken
    cdef bint has_centre = False, has_shape = False
    cdef ZSet value = <ZSet>c.db.read_kind(&a.v[key], ZSET)
    cdef str name = "geosearchstore" if key == 2 else "geosearch"
    if key == 2:
        s.target = &a.v[1]
    while i < a.n:
        taken = option(s, a, i)
        if taken:
            i += taken
        elif key == 2 and is_word(&a.v[i], "storedist"):
            s.store_distance = True
            i += 1
        elif is_word(&a.v[i], "frommember") and i + 1 < a.n and not has_centre:
            centre_on(s, value, &a.v[i + 1])
            has_centre = True
            i += 2
        elif is_word(&a.v[i], "fromlonlat") and i + 2 < a.n and not has_centre:
            s.shape.centre = point_of(&a.v[i + 1], &a.v[i + 2])
            has_centre = True
            i += 3
        elif is_word(&a.v[i], "byradius") and i + 2 < a.n and not has_shape:
            circle(s, &a.v[i + 1], &a.v[i + 2])
            has_shape = True
            i += 3
        elif is_word(&a.v[i], "bybox") and i + 3 < a.n and not has_shape:
            box(s, &a.v[i + 1], &a.v[i + 2], &a.v[i + 3])
            has_shape = True
            i += 4
        else:
            raise ReplyError("ERR syntax error")
    if not has_centre:
        raise ReplyError(
            f"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}")
    if not has_shape:
        raise ReplyError(f"ERR exactly one of BYRADIUS and BYBOX can be specified for {name}")
    return conduct(c, s, value, "geosearchstore", "GEOSEARCHSTORE", out)


cdef int georadius(Client c, Args a, Buf out) except -1:
    return radius_search(c, a, out, False, True)


cdef int georadius_ro(Client c, Args a, Buf out) except -1:
    return radius_search(c, a, out, False, False)


cdef int georadiusbymember(Client c, Args a, Buf out) except -1:
    return radius_search(c, a, out, True, True)


cdef int georadiusbymember_ro(Client c, Args a, Buf out) except -1:
    return radius_search(c, a, out, True, False)


cdef int geosearch(Client c, Args a, Buf out) except -1:
    return area_search(c, a, out, 1)


cdef int geosearchstore(Client c, Args a, Buf out) except -1:
    return area_search(c, a, out, 2)


define("geoadd", geoadd)
define("geodist", geodist)
define("geohash", geohash)
define("geopos", geopos)
define("georadius", georadius)
define("georadius_ro", georadius_ro)
define("georadiusbymember", georadiusbymember)
define("georadiusbymember_ro", georadiusbymember_ro)
define("geosearch", geosearch)
define("geosearchstore", geosearchstore)
