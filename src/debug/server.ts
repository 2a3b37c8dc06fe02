/** The adapter as a server of the protocol: over streams (`trapline dap`), or in an editor that hands it messages. */
import { ProtocolServer } from '@vscode/debugadapter/lib/protocol';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { RunMessage } from '../protocol/run';
import type { RunEnvironment } from '../run/api';
import { DebugClient } from './client';

/** Implements `vscode.DebugAdapter` by its base class. */
export class DebugServer extends ProtocolServer {
  private readonly client: DebugClient;

  /**
   * @param run gets the news of the run's trace
   * @param closed is told when the session is over
   */
  constructor(
    environment: RunEnvironment,
    run: ((message: RunMessage) => void | Promise<void>) | undefined,
    closed: () => void,
  ) {
    super();
    this.client = new DebugClient(environment, {
      message: (message) => {
        if (message.type === 'event') this.sendEvent(message as DebugProtocol.Event);
        else this.sendResponse(message as DebugProtocol.Response);
      },
      ...(run && { run }),
      closed,
    });
  }

  protected override dispatchRequest(request: DebugProtocol.Request): void {
    this.client.send(request);
  }

  override dispose(): void {
    void this.client.dispose();
  }
}
