"""Tables in a Parquet file, batch by batch through pyarrow; every value becomes the text that the columns' machinery reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from optimizers.data.formats import Report, silent
from optimizers.data.source import Source, warn
from optimizers.data.table_rows import MOST_COLUMNS, MOST_ROWS, Block, Table, refuse_cells, refuse_names, rows_at_once
from optimizers.errors import OptimizerError


def open_parquet(path: Path, options: Mapping[str, Any], work: Path, report: Report = silent) -> Source:
    """Raises OptimizerError."""
    from optimizers.data.table import open_table

    return open_table(parquet_table(path), options, work, report)


def parquet_table(path: Path, header: bool | None = None) -> Table:
    """Columns of lists, structs and bytes are left out.  Raises OptimizerError."""
    file = opened(path)
    flat = [field.name for field in file.schema_arrow if readable(field.type)]
    if len(file.schema_arrow) > MOST_COLUMNS or file.metadata.num_rows > MOST_ROWS:
        raise OptimizerError(f"The table has {len(file.schema_arrow):,} columns and {file.metadata.num_rows:,} rows; at most 2,000 and 50 "
                             "million are read.", path.name, "Drop columns, or upload a sample.", "too-many-columns")
    refuse_names(tuple(file.schema_arrow.names), path.name)
    left = [name for name in file.schema_arrow.names if name not in flat]
    problems = (warn(f"Columns of lists, structs or bytes were left out: {', '.join(left)[:200]}.", path.name,
                     "Flatten them into columns of numbers or texts.", "nested-columns"),) if left else ()
    if len(flat) < 2:
        raise OptimizerError("The file has fewer than two columns of plain values; a table needs features and a target.", path.name,
                             "Flatten its columns.", "one-column")
    return Table(path.name, tuple(flat), lambda: blocks(path, flat), problems=problems)


def opened(path: Path) -> Any:
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path, memory_map=False, thrift_string_size_limit=64 << 20, thrift_container_size_limit=1_000_000)
    except (pyarrow.ArrowException, OSError, ValueError) as fault:
        raise broken(path, fault) from fault


def blocks(path: Path, names: list[str]) -> Iterator[Block]:
    import pyarrow

    file, done = opened(path), 0
    total = max(file.metadata.num_rows, 1)
    try:
        for batch in file.iter_batches(batch_size=rows_at_once(len(names)), columns=names, use_threads=False):
            done += batch.num_rows
            if batch.num_rows:
                cells: list[Sequence[str]] = [texts(batch.column(name)) for name in names]
                refuse_cells(cells, names, path.name)
                yield Block(cells, min(done / total, 1.0))
    except (pyarrow.ArrowException, OSError, ValueError) as fault:      # UnicodeDecodeError is a ValueError
        raise broken(path, fault) from fault


def readable(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        return readable(kind.value_type)
    return any(test(kind) for test in (types.is_integer, types.is_floating, types.is_boolean, types.is_string, types.is_large_string,
                                       types.is_string_view, types.is_decimal, types.is_date, types.is_timestamp, types.is_time,
                                       types.is_null))


def texts(column: Any) -> list[str]:
    """
    >>> import pyarrow as pa
    >>> texts(pa.array([1.5, None, float("nan")])), texts(pa.array([True, None])), texts(pa.array([1], pa.timestamp("ns")))
    (['1.5', '', ''], ['true', ''], ['1970-01-01 00:00:00'])
    """
    import pyarrow
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_timestamp(column.type):
        column = column.cast(pyarrow.timestamp("us"), safe=False)           # nanoseconds and zones would need more than a datetime
    if types.is_time(column.type):
        column = column.cast(pyarrow.time64("us"), safe=False)
    values = column.to_pylist()
    if types.is_boolean(column.type):
        return ["" if value is None else str(value).lower() for value in values]
    if types.is_floating(column.type):
        return ["" if value is None or value != value else repr(float(value)) for value in values]
    return ["" if value is None else str(value).strip() for value in values]


def broken(path: Path, fault: Exception) -> OptimizerError:
    return OptimizerError(f"The file cannot be read as Parquet: {str(fault).splitlines()[0][:200] if str(fault) else 'it is damaged'}.",
                          path.name, "Write it again: pandas.DataFrame.to_parquet('data.parquet').", "broken-parquet")
