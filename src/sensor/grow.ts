/** Columns of numbers that grow: a table of rows has some, and makes them longer when its rows are all in use. */

/** The column again, with room for twice as many numbers; what was in it stays where it was. */
export function doubled(column: Float64Array): Float64Array<ArrayBuffer>;
export function doubled(column: Int32Array): Int32Array<ArrayBuffer>;
export function doubled(
  column: Float64Array | Int32Array,
): Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer> {
  const longer =
    column instanceof Float64Array ? new Float64Array(column.length * 2) : new Int32Array(column.length * 2);
  longer.set(column);
  return longer;
}
