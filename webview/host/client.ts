/** The page's end of the wire to the extension host. */
import type { FromPage, HostMethods, HostNotice, PageNotice } from '../../src/protocol/webview';
import { columns } from './columns';

/** What VS Code gives every page. */
export interface VsCodeApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}

type Method = keyof HostMethods;

interface Pending {
  method: Method;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

type Fields = Record<string, unknown>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

/** What each notice must at least carry to be believed. */
const noticeShape: Record<HostNotice['type'], (message: Fields) => boolean> = {
  init: (m) =>
    isFields(m['meta']) &&
    typeof m['rows'] === 'number' &&
    typeof m['endTime'] === 'number' &&
    Array.isArray(m['bookmarks']),
  grown: (m) =>
    typeof m['rows'] === 'number' &&
    typeof m['endTime'] === 'number' &&
    typeof m['state'] === 'string' &&
    Array.isArray(m['tracks']),
  reveal: (m) => Number.isInteger(m['row']),
  find: (m) => typeof m['query'] === 'string',
  debugger: ({ position }) =>
    position === undefined ||
    (isFields(position) &&
      typeof position['cycles'] === 'number' &&
      typeof position['rows'] === 'number' &&
      typeof position['stopped'] === 'boolean'),
};

function isNotice(message: Fields): message is Fields & HostNotice {
  const type = message['type'];
  return (
    typeof type === 'string' &&
    Object.hasOwn(noticeShape, type) &&
    noticeShape[type as HostNotice['type']](message)
  );
}

/** Calls the host's methods and passes on its notices. */
export class HostClient {
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  /**
   * @param api VS Code's page API
   * @param onNotice gets every well-formed notice
   */
  constructor(
    private readonly api: VsCodeApi,
    private readonly onNotice: (notice: HostNotice) => void,
  ) {}

  /** Asks the host; rejects with an `Error` whose message is for a reader. */
  call<M extends Method>(
    method: M,
    ...args: Parameters<HostMethods[M]>
  ): Promise<ReturnType<HostMethods[M]>> {
    const id = ++this.#lastId;
    const answer = new Promise<unknown>((resolve, reject) =>
      this.#pending.set(id, { method, resolve, reject }),
    );
    const message: FromPage = { type: 'call', id, method, args };
    this.api.postMessage(message);
    return answer as Promise<ReturnType<HostMethods[M]>>;
  }

  /** Tells the host something it did not ask. */
  notify(notice: PageNotice): void {
    this.api.postMessage(notice);
  }

  /** Takes a message off the wire. Unknown types are ignored; a malformed one is reported back. */
  receive(message: unknown): void {
    if (!isFields(message) || typeof message['type'] !== 'string') return;
    if (message['type'] === 'answer') return this.#answer(message);
    if (!Object.hasOwn(noticeShape, message['type'])) return;
    if (isNotice(message)) this.onNotice(message);
    else this.#malformed(message['type']);
  }

  #answer(message: Fields): void {
    const id = message['id'];
    const pending = typeof id === 'number' ? this.#pending.get(id) : undefined;
    if (typeof id !== 'number' || !pending) return;
    this.#pending.delete(id);
    if (typeof message['error'] === 'string') return pending.reject(new Error(message['error']));
    try {
      pending.resolve(pending.method === 'viewport' ? columns(message['result']) : message['result']);
    } catch (error) {
      this.#malformed(`answer to ${pending.method}`);
      pending.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #malformed(what: string): void {
    this.notify({
      type: 'failed',
      message: `The trace page received a malformed message (${what}) and ignored it.`,
    });
  }
}
