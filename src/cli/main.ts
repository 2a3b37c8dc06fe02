/** Entry of `dist/cli.js`: gives the commands the real world. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { version } from '../../package.json';
import { serveStreams } from '../debug/stdio';
import { serveGdb } from '../debug/gdb/server';
import { missingFiles, prepareRun } from '../run/prepare';
import { startRun } from '../run/start';
import { runCli } from './cli';
import { ExitCode } from './host';
import { serveMcp } from './mcp-server';
import { checkWritable, createFile, readPieces, readText, readTrace, writeTrace } from './node-files';

/** The bundle lies in `dist`. */
const distDir = __dirname;

/** Who reads our output may go away before its end (`trapline stats … | head`): that is no error of ours. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(ExitCode.Held);
  });
}

/** The first Ctrl-C asks to stop, the second ends the process. */
function onInterrupt(listener: () => void): () => void {
  let asked = false;
  const stop = (): void => {
    if (asked) process.exit(ExitCode.Interrupted);
    asked = true;
    listener();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return () => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  };
}

/** Who reads a log, or asked for a plain terminal, gets neither a line that is written over nor colours. */
const isPlain = process.env['TERM'] === 'dumb';
const terminal = {
  columns: () => process.stderr.columns || 80,
  now: () => performance.now(),
};

void runCli(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  ...(process.stderr.isTTY && !isPlain && { terminal }),
  // https://no-color.org: any text but the empty one.
  colours: process.stdout.isTTY && !isPlain && !process.env['NO_COLOR'],
  cwd: process.cwd(),
  version,
  environment: {
    distDir,
    kitDir: resolve(distDir, '../media/guest-kit'),
    cacheDir: join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'trapline'),
    compiler: '',
  },
  readText,
  readPieces,
  checkWritable,
  createFile,
  writeTrace,
  readTrace,
  prepareRun,
  missingFiles,
  startRun,
  serveDebugger: (environment) => serveStreams(environment, process.stdin, process.stdout),
  serveMcp: (options) => serveMcp({ ...options, input: process.stdin, output: process.stdout }),
  serveGdb,
  onInterrupt,
}).then((code) => {
  // Not process.exit: output to a pipe may still be on its way.
  process.exitCode = code;
});
