/** `import.meta.url` of every module of a bundle: the program's own, beside which its sources would lie. */
import { pathToFileURL } from 'node:url';

export const moduleUrl = pathToFileURL(__filename).href;
