/** Running a program to its end, without a shell. */
import { spawn } from 'node:child_process';

/** Output beyond this is thrown away: a compiler that says more has said enough. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

export interface ProcessOptions {
  cwd: string;
  env: NodeJS.ProcessEnv;
  signal?: AbortSignal | undefined;
  timeoutMs: number;
}

/** How a program ended. */
export type ProcessEnd =
  | { how: 'exited'; code: number; stdout: string; stderr: string }
  /** It could not be started, or was killed by somebody else. */
  | { how: 'failed'; message: string }
  | { how: 'cancelled' }
  | { how: 'timeout' };

/** Runs a program; never rejects. On cancelling and timeout the program and what it started are killed. */
export function runProcess(
  program: string,
  args: readonly string[],
  options: ProcessOptions,
): Promise<ProcessEnd> {
  const { cwd, env, signal, timeoutMs } = options;
  if (signal?.aborted) return Promise.resolve({ how: 'cancelled' });
  return new Promise((resolve) => {
    // A group of its own (where there are groups), so that the compiler proper dies with its driver.
    const group = process.platform !== 'win32';
    const child = spawn(program, args, {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: group,
      shell: false,
    });
    const outputs = [collect(child.stdout), collect(child.stderr)] as const;
    let killed: 'cancelled' | 'timeout' | undefined;

    const kill = (why: 'cancelled' | 'timeout'): void => {
      killed ??= why;
      try {
        if (group && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
        else child.kill('SIGKILL');
      } catch {
        // It ended by itself in the meantime.
      }
    };
    const onAbort = (): void => kill('cancelled');
    const timer = setTimeout(() => kill('timeout'), timeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });

    const settle = (end: ProcessEnd): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      resolve(killed ? { how: killed } : end);
    };
    child.on('error', (error) => settle({ how: 'failed', message: error.message }));
    child.on('close', (code, by) => {
      if (code === null) settle({ how: 'failed', message: `it was ended by ${by ?? 'a signal'}` });
      else settle({ how: 'exited', code, stdout: outputs[0](), stderr: outputs[1]() });
    });
  });
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < MAX_OUTPUT_BYTES) chunks.push(chunk);
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
