/**
 * A table that reads as one on a wide screen and as a list of cards on a phone. Roles are spelled out because a table
 * that CSS lays out as blocks stops being a table for a screen reader.
 */
import type { ComponentChildren, VNode } from 'preact';

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => ComponentChildren;
  readonly numeric?: boolean;
}

export function Table<Row>(props: {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  readonly empty: string;
}): VNode {
  const { caption, columns, rows, keyOf, empty } = props;
  if (rows.length === 0) return <p class="empty">{empty}</p>;
  return (
    <table role="table">
      <caption class="unseen">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map((column) => (
            <th
              key={column.head}
              role="columnheader"
              scope="col"
              class={column.numeric ? 'number' : undefined}
            >
              {column.head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={keyOf(row)} role="row">
            {columns.map((column, i) =>
              i === 0 ? (
                <th key={column.head} role="rowheader" scope="row" data-head={column.head}>
                  {column.cell(row)}
                </th>
              ) : (
                <td
                  key={column.head}
                  role="cell"
                  data-head={column.head}
                  class={column.numeric ? 'number' : undefined}
                >
                  {column.cell(row)}
                </td>
              ),
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
