"""Geospatial indexes."""

from tests.differential.machines.grammar import (
    cmd,
    count,
    key,
    many,
    mixed,
    one,
    one_of,
    opt,
    seq,
    shuffled,
    weighted,
    word,
)

longitude = weighted(one(13.361389, 15.087269, 2.349, -74.0, 0, 179.99, -180), one(181, "x", "nan"))
latitude = weighted(one(38.115556, 37.502669, 48.8566, 40.7, 0, 85.05, -85.05), one(86, "x", ""))
unit = weighted(one("m", "km", "mi", "ft", "KM"), one("x", ""))
distance = weighted(one(0, 1, 100, 200, 5000, 20000), one(-1, "x", "nan", "inf"))
place = weighted(word, one("far away"))
origin = one(seq("FROMMEMBER", place), seq("FROMLONLAT", longitude, latitude))
shape = one(
    seq("BYRADIUS", distance, unit),
    seq("BYBOX", distance, distance, unit),
)
order = one("ASC", "DESC")
limited = seq("COUNT", count, opt("ANY"))
shown = shuffled("WITHCOORD", "WITHDIST", "WITHHASH", order, limited)
COMMANDS = mixed(
    one_of(
        cmd("GEOADD", key, many(seq(longitude, latitude, place))),
        cmd("GEOADD", key, shuffled("NX", "XX", "CH"), many(seq(longitude, latitude, place))),
        cmd("GEOPOS", key, many(place, 0, 3)),
        cmd("GEOHASH", key, many(place, 0, 3)),
        cmd("GEODIST", key, place, place, opt(unit)),
        cmd("GEOSEARCH", key, origin, shape, shown),
        cmd("GEOSEARCH", key, shuffled(origin, shape, shown)),
        cmd("GEOSEARCHSTORE", key, key, origin, shape, shuffled("STOREDIST", order, limited)),
        cmd("GEORADIUS", key, longitude, latitude, distance, unit, shown),
        cmd(
            "GEORADIUS",
            key,
            longitude,
            latitude,
            distance,
            unit,
            shown,
            one("STORE", "STOREDIST"),
            key,
        ),
        cmd("GEORADIUS_RO", key, longitude, latitude, distance, unit, shown),
        cmd("GEORADIUSBYMEMBER", key, place, distance, unit, shown),
        cmd("GEORADIUSBYMEMBER_RO", key, place, distance, unit, shown),
        cmd("ZRANGE", key, "0", "-1", "WITHSCORES"),
        cmd("ZREM", key, place),
    )
)
