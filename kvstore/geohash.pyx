"""Places as numbers: 26 bits of longitude and 26 of latitude, interleaved.

The number is the score of a member of a sorted set, so places near each other have scores near
each other: every square cell of a grid of 2^step by 2^step is one range of scores.

    latitude bits at even places, longitude bits at odd ones, the highest of both first
    cell of `step` bits  =  scores [hash << (52 - 2 step), (hash + 1) << (52 - 2 step))

Latitudes beyond 85.05112878 degrees are left out, as in the Mercator projection.  Distances are
those on a sphere (haversine).
"""

from libc.math cimport M_PI, asin, cos, fabs, sin, sqrt
from libc.stdint cimport uint64_t

cdef double EARTH_M = 6372797.560856
POLE = 85.05112878
cdef double MERCATOR_M = 20037726.37


cdef inline double radians(double degrees) noexcept:
    return degrees * (M_PI / 180)


cdef inline double degrees(double radians) noexcept:
    return radians / (M_PI / 180)


cdef uint64_t spread(uint64_t x) noexcept:
    """The lower 32 bits, each followed by a zero above it."""
    x = (x | (x << 16)) & 0x0000FFFF0000FFFFULL
    x = (x | (x << 8)) & 0x00FF00FF00FF00FFULL
    x = (x | (x << 4)) & 0x0F0F0F0F0F0F0F0FULL
    x = (x | (x << 2)) & 0x3333333333333333ULL
    return (x | (x << 1)) & 0x5555555555555555ULL


cdef uint64_t gather(uint64_t x) noexcept:
    """Every other bit, from the lowest on."""
    x &= 0x5555555555555555ULL
    x = (x | (x >> 1)) & 0x3333333333333333ULL
    x = (x | (x >> 2)) & 0x0F0F0F0F0F0F0F0FULL
    x = (x | (x >> 4)) & 0x00FF00FF00FF00FFULL
    x = (x | (x >> 8)) & 0x0000FFFF0000FFFFULL
    return (x | (x >> 16)) & 0x00000000FFFFFFFFULL


cdef uint64_t encode(double longitude, double latitude, double pole, int step) noexcept:
    cdef uint64_t x = <uint64_t>((latitude + pole) / (2 * pole) * (<uint64_t>1 << step))
    cdef uint64_t y = <uint64_t>((longitude + 180) / 360 * (<uint64_t>1 << step))
    return spread(x) | spread(y) << 1


cdef Area decode(uint64_t cell, int step) noexcept:
    cdef double n = <double>(<uint64_t>1 << step)
    cdef double x = <double>gather(cell), y = <double>gather(cell >> 1)
    cdef Area area
    area.south = -POLE + x / n * 2 * POLE
    area.north = -POLE + (x + 1) / n * 2 * POLE
    area.west = -180 + y / n * 360
    area.east = -180 + (y + 1) / n * 360
    return area


cdef Place place_of(double score) noexcept:
    cdef Area area = decode(<uint64_t>score, STEPS)
    cdef Place place
    place.longitude = max(-180.0, min(180.0, (area.west + area.east) / 2))
    place.latitude = max(-POLE, min(POLE, (area.south + area.north) / 2))
    return place


cdef double distance(Place a, Place b) noexcept:
    cdef double u = sin((radians(b.latitude) - radians(a.latitude)) / 2)
    cdef double v = sin((radians(b.longitude) - radians(a.longitude)) / 2)
    if v == 0:
        return EARTH_M * fabs(radians(b.latitude) - radians(a.latitude))
    return 2 * EARTH_M * asin(sqrt(
        u * u + cos(radians(a.latitude)) * cos(radians(b.latitude)) * v * v))


cdef bint within(Shape* shape, Place place, double* metres) noexcept:
    """Whether a place lies in the shape, and how far from its centre."""
    cdef Place corner
    if shape.width < 0:
        metres[0] = distance(shape.centre, place)
        return metres[0] <= shape.radius
    corner.longitude, corner.latitude = shape.centre.longitude, place.latitude
    if distance(shape.centre, corner) > shape.height / 2:
        return False
    if distance(corner, place) > shape.width / 2:
        return False
    metres[0] = distance(shape.centre, place)
    return True


cdef int step_for(double metres, double latitude) noexcept:
    """The finest grid of which three by three cells may hold a circle."""
    cdef int step = 1
    if metres == 0:
        return STEPS
    while metres < MERCATOR_M:
        metres *= 2
        step += 1
    step -= 2
    # Towards the poles cells become narrow.
    if fabs(latitude) > 66:
        step -= 1
    if fabs(latitude) > 80:
        step -= 1
    return max(1, min(STEPS, step))


cdef uint64_t beside(uint64_t cell, int step, int east, int north) noexcept:
    """The cell some columns and rows away, around the world where it must be."""
    cdef uint64_t mask = (<uint64_t>1 << step) - 1
    cdef uint64_t x = (gather(cell) + <uint64_t>north) & mask
    cdef uint64_t y = (gather(cell >> 1) + <uint64_t>east) & mask
    return spread(x) | spread(y) << 1


# The cell itself, then its neighbours: (columns east, rows north).
cdef int[9][2] AROUND = [
    [0, 0], [0, 1], [0, -1], [1, 0], [-1, 0], [1, 1], [-1, 1], [1, -1], [-1, -1],
]


cdef Area bounds_of(Shape* shape) noexcept:
    """The box of meridians and parallels around a shape; all meridians if a pole is in it."""
    cdef double up = shape.radius if shape.width < 0 else shape.height / 2
    cdef double aside = shape.radius if shape.width < 0 else shape.width / 2
    cdef double latitude = shape.centre.latitude
    cdef double rise = degrees(up / EARTH_M), wide = 360
    cdef Area box
    if fabs(latitude) + rise < 90:
        # The parallel nearest to a pole is the shortest, and reaches over most degrees.
        wide = degrees(aside / EARTH_M / cos(radians(fabs(latitude) + rise)))
    box.west, box.east = shape.centre.longitude - wide, shape.centre.longitude + wide
    box.south, box.north = latitude - rise, latitude + rise
    return box


cdef bint covered(Area* box, Area* own) noexcept:
    """Whether a cell and its neighbours hold a box."""
    cdef double width = own.east - own.west, height = own.north - own.south
    return own.west - width <= box.west and box.east <= own.east + width \
        and own.south - height <= max(box.south, -POLE) \
        and min(box.north, POLE) <= own.north + height


cdef int cells_of(Shape* shape, ScoreRange* found) noexcept:
    """The ranges of scores that hold all places of a shape; at most nine."""
    cdef double metres = shape.radius
    cdef Area box = bounds_of(shape), own
    cdef int step, i, k, n = 0
    cdef bint seen
    cdef uint64_t cell, each
    if shape.width >= 0:
        metres = sqrt(shape.width * shape.width / 4 + shape.height * shape.height / 4)
    step = step_for(metres, shape.centre.latitude)
    while True:
        cell = encode(shape.centre.longitude, shape.centre.latitude, POLE, step)
        own = decode(cell, step)
        if step == 1 or covered(&box, &own):  # at step 1 the neighbours are all of the world
            break
        step -= 1
    for i in range(9):
        # A side that the cell itself already goes beyond needs no neighbours.
        if step >= 2 and (
            (AROUND[i][1] < 0 and own.south < box.south)
            or (AROUND[i][1] > 0 and own.north > box.north)
            or (AROUND[i][0] < 0 and own.west < box.west)
            or (AROUND[i][0] > 0 and own.east > box.east)
        ):
            continue
        each = beside(cell, step, AROUND[i][0], AROUND[i][1]) << (52 - 2 * step)
        seen = False
        for k in range(n):
            seen = seen or found[k].low == <double>each
        if not seen:
            found[n].low = <double>each
            found[n].high = <double>(each + (<uint64_t>1 << (52 - 2 * step)))
            n += 1
    return n
