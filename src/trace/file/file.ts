/** The trace file `*.trapline.arrow`: reading and writing, over bytes; files are opened by the callers. */
export { TraceFileError } from './error';
export { readTrace, readTrace as decodeTrace } from './read';
export { encodeTrace, traceFileParts, writeTrace } from './write';
export { damageOf, verify, type Verification } from './verify';
