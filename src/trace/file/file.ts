/** The trace file `*.trapline.arrow`: reading and writing, over bytes that are read by range; files are opened by the callers. */
export { TraceFileError } from './error';
export { bytesAccess, type RandomAccess } from './random-access';
export { openTrace, readTrace, type OpenOptions } from './read';
export { encodeTrace, traceFileParts, writeTrace } from './write';
export { damageOf, damageSteps, verify, type Verification } from './verify';
