/** The adapter over two streams. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { RunEnvironment } from '../run/api';
import { framed, FrameError, MessageReader } from './message-reader';
import { DebugServer } from './server';

/**
 * Serves one session.
 * @returns resolves when it is over, or when nobody writes any more; rejects with `FrameError` where what came is no message
 */
export function serveStreams(
  environment: RunEnvironment,
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const reader = new MessageReader();
    const server = new DebugServer(environment, undefined, resolve);
    server.onDidSendMessage((message) => output.write(framed(message)));
    const give = (take: () => void): void => {
      try {
        take();
      } catch (error) {
        if (!(error instanceof FrameError)) throw error;
        reject(error);
        input.removeAllListeners('data').pause();
        server.dispose();
      }
    };
    input.on('data', (bytes: Buffer) =>
      give(() => {
        for (const message of reader.take(bytes))
          server.handleMessage(message as DebugProtocol.ProtocolMessage);
      }),
    );
    input.on('close', () => {
      give(() => reader.end());
      server.dispose();
    });
    // A client that has gone hears nothing any more; that its input closes ends the session.
    output.on('error', () => undefined);
    input.on('error', () => undefined);
  });
}
