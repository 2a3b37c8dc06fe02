/** The adapter over two streams. */
import type { RunEnvironment } from '../run/api';
import { DebugServer } from './server';

/**
 * Serves one session.
 * @returns resolves when it is over, or when nobody writes any more
 */
export function serveStreams(
  environment: RunEnvironment,
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
): Promise<void> {
  return new Promise((resolve) => {
    const server = new DebugServer(environment, undefined, resolve);
    server.on('close', () => server.dispose());
    // What is no message is dropped; the client will miss its answer.
    server.on('error', () => undefined);
    server.start(input, output);
  });
}
