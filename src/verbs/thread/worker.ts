/** Entry of the thread that performs verbs. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ToVerbThread, VerbThreadInput } from './messages';
import { VerbThread } from './verb-thread';

if (parentPort) {
  const port = parentPort;
  const thread = new VerbThread(workerData as VerbThreadInput, (message) => port.postMessage(message));
  port.on('message', (message: ToVerbThread) => thread.receive(message));
}
