/** A debug adapter inside the extension host: it hands the protocol's messages to the thread that has the run, and back. */
import { EventEmitter, type DebugAdapter, type DebugProtocolMessage } from 'vscode';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { DebugClient } from '../../debug/client';
import type { MovedBody } from '../../protocol/debug';
import type { RunMessage } from '../../protocol/run';
import type { RunEnvironment } from '../../run/api';

/** What is heard of a session besides what the editor hears. */
export interface AdapterNews {
  run(message: RunMessage): void | Promise<unknown>;
  moved(body: MovedBody): void;
  /** The run stands still, or goes on. */
  stopped(isStopped: boolean): void;
  closed(): void;
}

export class InlineAdapter implements DebugAdapter {
  private readonly sent = new EventEmitter<DebugProtocolMessage>();
  private readonly client: DebugClient;
  private sequence = 0;
  readonly onDidSendMessage = this.sent.event;

  constructor(environment: RunEnvironment, news: AdapterNews) {
    this.client = new DebugClient(environment, {
      message: (message) => {
        this.hear(message, news);
        this.sequence += 1;
        this.sent.fire({ ...message, seq: this.sequence });
      },
      run: async (message) => void (await news.run(message)),
      closed: () => news.closed(),
    });
  }

  handleMessage(message: DebugProtocolMessage): void {
    const request = message as DebugProtocol.Request;
    if (request.type === 'request') this.client.send(request);
  }

  dispose(): void {
    void this.client.dispose();
    this.sent.dispose();
  }

  private hear(message: DebugProtocol.Response | DebugProtocol.Event, news: AdapterNews): void {
    if (message.type !== 'event') return;
    const { event, body } = message as DebugProtocol.Event & { body: unknown };
    if (event === 'trapline/moved') news.moved(body as MovedBody);
    if (event === 'stopped') news.stopped(true);
    if (event === 'continued') news.stopped(false);
  }
}
