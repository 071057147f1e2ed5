/** Printer Job Language (HP's PJL Technical Reference Manual, chapters 2 and 7). */

// ---- specification ----

/** Universal Exit Language, which begins a job, and the prefix of each command. */
export const exit = '\u001b%-12345X';
export const prefix = '@PJL';
/** An answer to INFO ID: the query repeated, then the model in quotes. */
export const identity = /@PJL INFO ID\s*[\r\n]+\s*"?([^"\r\n\f]{1,128})["\r\n\f]/i;
