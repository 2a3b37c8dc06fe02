/** Every identifier that package.json and the code must agree on. */

/** Commands contributed by Trapline. */
export const Command = {
  runScenario: 'trapline.runScenario',
  stopRun: 'trapline.stopRun',
  checkScenario: 'trapline.checkScenario',
  createSampleWorkspace: 'trapline.createSampleWorkspace',
  openTrace: 'trapline.openTrace',
  saveTraceAs: 'trapline.saveTraceAs',
  exportPackets: 'trapline.exportPackets',
  importTrace: 'trapline.importTrace',
  exportTrace: 'trapline.exportTrace',
  compareRuns: 'trapline.compareRuns',
  showGuestOutput: 'trapline.showGuestOutput',
  showLog: 'trapline.showLog',
  debugScenario: 'trapline.debugScenario',
  /** Of the machine's view: what a value was before, what wrote it. */
  lastWriter: 'trapline.lastWriter',
  previousChange: 'trapline.previousChange',
  nextChange: 'trapline.nextChange',
  goToTime: 'trapline.goToTime',
  stopAtEvents: 'trapline.stopAtEvents',
  logInPast: 'trapline.logInPast',
  refreshMachine: 'trapline.refreshMachine',
  copyValue: 'trapline.copyValue',
  /** Of the views of scenarios and runs. */
  openScenario: 'trapline.openScenario',
  openLastTrace: 'trapline.openLastTrace',
  openForm: 'trapline.openForm',
  openDisassembly: 'trapline.openDisassembly',
  /** Of machine code: from an instruction to its events. */
  showInstruction: 'trapline.showInstruction',
  /** Of the machine's view and that of the state at an event: what a register or a variable has been. */
  showHistory: 'trapline.showHistory',
  deleteRuns: 'trapline.deleteRuns',
  deleteAllRuns: 'trapline.deleteAllRuns',
  refreshScenarios: 'trapline.refreshScenarios',
  /** Internal: hover of a source line → its events in the timeline. */
  revealLine: 'trapline.revealLine',
  /** Internal: from a failed expectation to the event that broke it. */
  showEvent: 'trapline.showEvent',
  debugFromEvent: 'trapline.debugFromEvent',
} as const;

/** View type of the trace editor. */
export const traceViewType = 'trapline.trace';
/** View type of the form over scenarios. */
export const scenarioFormViewType = 'trapline.scenarioForm';
/** View type of the same editor for text traces of other tools, which it takes only when asked to. */
export const importViewType = 'trapline.import';
/** Ending of trace files. */
export const traceEnding = '.trapline.arrow';
/** Ending of scenario files. */
export const scenarioEnding = '.trapline.json';
/** Scheme of traces of this window's runs: `trapline-run:/<run id>/<name>.trapline.arrow`. */
export const runScheme = 'trapline-run';
/** Type of debug sessions. */
export const debugType = 'trapline';
/** View of the samples by chapter, and of the workspace's scenarios. */
export const mechanismsView = 'trapline.mechanisms';
/** View of the runs so far. */
export const runsView = 'trapline.runs';
/** View of the machine's inside. */
export const machineView = 'trapline.machine';
/** View of the devices' registers at the selected event of a trace. */
export const stateView = 'trapline.state';
/** Scheme of machine code: `trapline-disassembly:/<function>.asm?<trace, VM, address>`. */
export const disassemblyScheme = 'trapline-disassembly';
/** Language of machine code. */
export const disassemblyLanguage = 'trapline-disassembly';
/** What stands before a verb's name in that of its language model tool. */
export const toolPrefix = 'trapline_';
/** What stands behind the editor's scheme in links to events. */
export const eventLinkPrefix = '//trapline.trapline/';
/** Provider of the server for agents. */
export const mcpProvider = 'trapline.mcp';
/** View type of the page that compares runs. */
export const comparisonViewType = 'trapline.comparison';
/** Context key: at least one run is going on. */
export const runningContext = 'trapline.running';
/** Context key set once an event of a trace was selected; completes a step of the walkthrough. */
export const eventSelectedContext = 'trapline.eventSelected';
/** Context key set once a source line was opened from a trace. */
export const sourceOpenedContext = 'trapline.sourceOpened';
/** Colours of the source decorations. */
export const exitCostColour = 'trapline.exitCost';
export const selectedEventColour = 'trapline.selectedEvent';
/** Folder that prebuilt sample guests were compiled in; stands for the workspace that holds the scenario. */
export const sampleSourceRoot = '/trapline/workspace';
