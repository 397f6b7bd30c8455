-- Where envelopes are read and nothing comes of it: the wires' columns with no view behind them. What an
-- insert refused is looked for here, at a fiftieth of an insert's price.
create table if not exists {database}.wire_probe {on_cluster} as {database}.wire engine = Null;

create table if not exists {database}.log_wire_probe {on_cluster} as {database}.log_wire engine = Null;

create table if not exists {database}.metric_wire_probe {on_cluster} as {database}.metric_wire engine = Null;
