/** The command line as a function: from arguments to an exit code. */
import { parseCommandLine, UsageError, type Command } from './arguments';
import { compareFiles } from './compare';
import { serveDebugger } from './dap';
import { exportTrace } from './export';
import { serveGdbClients } from './gdbserver';
import { helpFor, usage } from './help';
import { ExitCode, type CliHost } from './host';
import { importFile } from './import';
import { checkScenarioFile, printStats } from './inspect';
import { serveAgents } from './mcp';
import { printQuery } from './query';
import { messageOf, runScenario } from './run';

/** Does what the arguments say. Never rejects. */
export async function runCli(args: readonly string[], host: CliHost): Promise<ExitCode> {
  try {
    return await execute(parseCommandLine(args), host);
  } catch (error) {
    host.err(`error: ${messageOf(error)}\n`);
    return error instanceof UsageError ? ExitCode.BadInput : ExitCode.Internal;
  }
}

async function execute(command: Command, host: CliHost): Promise<ExitCode> {
  switch (command.name) {
    case 'run':
      return runScenario(command, host);
    case 'stats':
      return printStats(command, host);
    case 'query':
      return printQuery(command, host);
    case 'check':
      return checkScenarioFile(command, host);
    case 'compare':
      return compareFiles(command, host);
    case 'import':
      return importFile(command, host);
    case 'export':
      return exportTrace(command, host);
    case 'dap':
      return serveDebugger(command, host);
    case 'mcp':
      return serveAgents(command, host);
    case 'gdbserver':
      return serveGdbClients(command, host);
    case 'help':
      host.out(command.verb ? helpFor(command.verb) : usage());
      return ExitCode.Held;
    case 'version':
      host.out(`${host.version}\n`);
      return ExitCode.Held;
  }
}
