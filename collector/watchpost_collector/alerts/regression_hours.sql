
    select intDiv(toUnixTimestamp($start), 3600) as h, $series as series, $version as version,
        $calls as calls, [$xs] as xs, [$ns] as ns
    from watchpost.$table as u
    where $start >= toDateTime({since:UInt32}, 'UTC') and $start < toDateTime({until:UInt32}, 'UTC')
        and version != ''$narrowed
    group by h, series, version
