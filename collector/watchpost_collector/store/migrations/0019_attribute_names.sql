-- Which attributes a span has, one name a line: few spans have names that no other has, so that the names in
-- use and how many spans have each are counted over everything by these few texts:
-- select arrayJoin(splitByChar('\n', names)) as name, sum(spans) as spans
-- from (select attribute_names as names, count() as spans from spans group by names) group by name
alter table {database}.spans {on_cluster}
    add column if not exists attribute_names LowCardinality(String)
    materialized arrayStringConcat(arraySort(mapKeys(attributes)), '\n') after attributes;
