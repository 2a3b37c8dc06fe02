/** The trace file `*.trapline.arrow`: reading and writing, over bytes; files are opened by the callers. */
export { TraceFileError } from './file-error';
export { readTrace, readTrace as decodeTrace } from './file-read';
export { encodeTrace, traceFileParts, writeTrace } from './file-write';
export { damageOf, verify, type Verification } from './verify';
