/**
 * `trapline mcp`: the verbs as tools of the Model Context Protocol over two streams. The protocol is its own people's package, which
 * speaks its revisions since 2024; what a message may cost is held down here: its size, and by the verbs all that follows from it.
 */
import type { Readable, Writable } from 'node:stream';
import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  inputRequired,
  inputResponse,
  Server,
  type CallToolResult,
  type ClientCapabilities,
  type InputRequiredResult,
  type ServerContext,
  type Tool,
} from '@modelcontextprotocol/server';
import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';
import type { RunEnvironment } from '../run/api';
import { checkCall, failureText } from '../verbs/perform';
import { VERBS } from '../verbs/table';
import { VerbClient, type VerbHost } from '../verbs/thread/verb-client';
import type { Execution, Verb } from '../verbs/verb';

/** Longest message that is read, in bytes: an input of a verb has a few thousand. */
const MOST_MESSAGE_BYTES = 1 << 20;
/** Links into the editor. */
const LINK = 'vscode://trapline.trapline/';
/** Key of the question whether something may be executed. */
const CONFIRM = 'confirm';

const confirmation = z.object({ run: z.boolean().describe('Compile and run it') });

const INSTRUCTIONS =
  'Trapline runs C guest drivers on a deterministic simulated x86-64 computer under a simulated hypervisor and records every VM exit, ' +
  'interrupt and DMA. Events have numbers ("row"), by which verbs ask on and the link in "open" shows them in VS Code. An answer has at most 2 KB: ' +
  '"more" says what did not fit. Begin with list_scenarios, list_traces or summarize_trace.';

export interface McpOptions {
  readonly input: Readable;
  readonly output: Writable;
  /** Absolute path of the only folder that is read in. */
  readonly folder: string;
  /** Guests may be compiled and run without asking. */
  readonly allowsRun: boolean;
  readonly environment: RunEnvironment;
  readonly version: string;
  readonly host: VerbHost;
  /** A line about what went wrong with the connection, for whoever started the server. */
  readonly log: (line: string) => void;
}

/** Serves one client; resolves when it has gone. */
export function serveMcp(options: McpOptions): Promise<void> {
  const { input, output, folder, environment, host, log } = options;
  const verbs = new VerbClient({ folders: [folder], environment, link: LINK }, host);
  return new Promise((resolve) => {
    const transport = new StdioServerTransport(input, output, { maxBufferSize: MOST_MESSAGE_BYTES });
    const over = (): void => {
      verbs.dispose();
      resolve();
    };
    serveStdio(() => serverOf(options, verbs), { transport, onerror: (error) => log(error.message) });
    input.once('close', over);
    input.once('end', over);
  });
}

/** The server of one connection. */
function serverOf({ version, allowsRun }: McpOptions, verbs: VerbClient): Server {
  const server = new Server(
    { name: 'trapline', title: 'Trapline', version },
    { capabilities: { tools: {} }, instructions: INSTRUCTIONS },
  );
  const tools = VERBS.map((verb) => toolOf(verb));
  server.setRequestHandler('tools/list', () => ({ tools }));
  server.setRequestHandler('tools/call', async ({ params: { name, arguments: input } }, context) => {
    let executes: Execution;
    try {
      ({ executes } = checkCall(name, input));
    } catch (error) {
      return refusal(failureText(error));
    }
    if (executes && !allowsRun) {
      const question = permission(executes, server, context);
      if (question) return question;
    }
    const outcome = await verbs.call(name, input, context.mcpReq.signal);
    if (!outcome.ok) return refusal(outcome.message);
    return {
      content: [{ type: 'text', text: JSON.stringify(outcome.answer) }],
      structuredContent: outcome.answer,
    };
  });
  return server;
}

function toolOf({ name, title, says, mayExecute, inputSchema, outputSchema }: Verb): Tool {
  return {
    name,
    title,
    description: says,
    inputSchema: inputSchema as Tool['inputSchema'],
    outputSchema: outputSchema,
    annotations: {
      title,
      readOnlyHint: !mayExecute,
      destructiveHint: false,
      idempotentHint: true,
      openWorldHint: false,
    },
  };
}

function refusal(message: string): CallToolResult {
  return { content: [{ type: 'text', text: message }], isError: true };
}

/** The question whether something may be executed, or why it may not; undefined: it may. */
function permission(
  executes: NonNullable<Execution>,
  server: Server,
  { mcpReq }: ServerContext,
): InputRequiredResult | CallToolResult | undefined {
  const { inputResponses } = mcpReq;
  const what = executes.what === 'run' ? executes.scenario : `the scenario of ${executes.trace}`;
  if (acceptedContent(inputResponses, CONFIRM, confirmation)?.run === true) return undefined;
  if (inputResponse(inputResponses, CONFIRM).kind !== 'missing')
    return refusal(`The user does not want ${what} to be compiled and run.`);
  const envelope = mcpReq.envelope as Record<string, ClientCapabilities> | undefined;
  const capabilities = envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? clientOf(server);
  if (!capabilities?.elicitation)
    return refusal(
      `This compiles and runs ${what}. The server was started without --allow-run, and this client cannot ask its user: start "trapline mcp --allow-run" where guests of the folder may be run.`,
    );
  const message = `May Trapline compile ${what} and run it? Its guests run on a simulated computer; the compiler runs on this one.`;
  return inputRequired({
    inputRequests: { [CONFIRM]: inputRequired.elicit({ message, requestedSchema: confirmation }) },
  });
}

/** What clients of revisions before 2026 can do, they have said once. */
function clientOf(server: Server): ClientCapabilities | undefined {
  return server.getClientCapabilities();
}
