/** The verbs of the command line: what each takes, what it does, and an example. Parsing and help come from this one table. */

/** An option of a verb. */
export interface VerbOption {
  /** What stands for its value in the help; absent: it takes none. */
  readonly value?: string;
  readonly says: string;
}

export interface Verb {
  /** What stands for its argument in the help; absent: it takes none. */
  readonly argument?: string;
  /** The argument may be left out. */
  readonly optional?: boolean;
  /** Takes any number of arguments. */
  readonly several?: boolean;
  /** What stands in the help for those after the first, where they are of another sort. */
  readonly rest?: string;
  /** In one or two sentences. */
  readonly says: string;
  readonly options: Readonly<Record<string, VerbOption>>;
  /** Command lines that work in the sample workspace, each with what it is for. */
  readonly examples: readonly (readonly [command: string, purpose: string])[];
}

const JSON_OPTION: VerbOption = { says: 'print the figures as JSON' };
const COMPILER: VerbOption = {
  value: 'PATH',
  says: 'C compiler for the guest instead of gcc or clang',
};

/** In the order in which the help lists them. */
export const VERBS = {
  run: {
    argument: 'FILE',
    says: 'Runs a scenario (*.trapline.json) and prints its figures. On a terminal a line tells how far it is.',
    options: {
      out: { value: 'TRACE', says: 'also write the trace, an Arrow file: name.trapline.arrow' },
      pcap: {
        value: 'CAPTURE',
        says: 'also write the packets on the links, for Wireshark or tcpdump: name.pcapng',
      },
      json: { says: 'print the figures as JSON; what the guest prints goes to standard error' },
      quiet: { says: 'print only what is wrong (with --json: the JSON alone)' },
      compiler: COMPILER,
    },
    examples: [
      [
        'trapline run scenarios/b7-e1000-emulated.trapline.json --out b7.trapline.arrow',
        'runs a driver under KVM and QEMU and keeps the trace',
      ],
      [
        'trapline run scenarios/hello.trapline.json --json --quiet',
        'gives a script the figures; its exit code says whether the expectations held',
      ],
    ],
  },
  stats: {
    argument: 'TRACE',
    says: 'Prints the figures of a trace file.',
    options: { json: JSON_OPTION },
    examples: [['trapline stats b7.trapline.arrow', 'prints what a kept run has cost']],
  },
  query: {
    argument: 'TRACE',
    several: true,
    rest: 'QUERY',
    says:
      'Prints the events of a trace that match a query, as the find box of the timeline has it: exit:HLT dur>5us. ' +
      'The language is described in media/reference/queries.md.',
    options: {
      json: {
        says: 'print each event as a line of JSON: row, cycles, seconds, durationCycles, kind, track, text, a, b, place, cause',
      },
      count: { says: 'print only how many there are' },
      limit: { value: 'N', says: 'print the first N only' },
    },
    examples: [
      [
        "trapline query b7.trapline.arrow 'exit:EPT_MISCONFIG dur>5us'",
        'lists the dear exits with their lines',
      ],
      [
        "trapline query b7.trapline.arrow 'from:(kind:mmio.write reg:TDT) or within:(handler)' --json --limit 100",
        'gives a script what a doorbell brought about, and what happened in interrupt handlers',
      ],
    ],
  },
  check: {
    argument: 'FILE',
    says: "Checks a scenario, and that its guests' files are there, without compiling or running anything.",
    options: { json: { says: 'print the problems as JSON' } },
    examples: [
      [
        'trapline check scenarios/d9-sriov.trapline.json',
        'says where a scenario is wrong, and what fits there',
      ],
    ],
  },
  compare: {
    argument: 'FILE',
    several: true,
    says:
      'Prints what runs cost side by side, in total and for each packet, with ratios to the first. A FILE is a trace ' +
      '(name.trapline.arrow), or a scenario, which is run. --by also tells how each differs from the first.',
    options: {
      by: {
        value: 'PARTS',
        says:
          'parting (the first event that one has and the other has not), lines, reasons, stages, operations (the nth ' +
          'packet or request of each), or all; several with commas',
      },
      json: JSON_OPTION,
      compiler: COMPILER,
    },
    examples: [
      [
        'trapline compare scenarios/c7-e1000.trapline.json scenarios/c7-vhost.trapline.json',
        'the same traffic by an emulated NIC and by vhost',
      ],
      [
        'trapline compare scenarios/c7-virtio.trapline.json scenarios/c7-vhost.trapline.json --by parting,stages',
        'where the run of the same driver first goes another way, and where the time of a packet goes',
      ],
    ],
  },
  import: {
    argument: 'FILE',
    says:
      'Reads what "trace-cmd report", the "trace" file of ftrace or "perf script" print of KVM, interrupts, the scheduler ' +
      'and IOMMUs, and prints its figures. FILE may be - for standard input.',
    options: {
      out: { value: 'TRACE', says: 'write the trace, which the editor opens: name.trapline.arrow' },
      frequency: {
        value: 'HZ',
        says: 'how fast a clock of cycles (x86-tsc) counts, instead of what the waits in the file say',
      },
      json: JSON_OPTION,
    },
    examples: [
      [
        'trapline import report.txt --out host.trapline.arrow',
        'makes a trace of what "trace-cmd report" printed',
      ],
    ],
  },
  export: {
    argument: 'TRACE',
    says:
      'Writes a trace for other tools: perfetto (ui.perfetto.dev), chrome (JSON, for small traces) or csv; or pcap, the ' +
      'packets on its links, for which its run is made again.',
    options: {
      to: { value: 'FORMAT', says: 'perfetto, chrome, csv or pcap' },
      out: { value: 'FILE', says: 'what is written' },
      scenario: { value: 'FILE', says: 'where the scenario is, if it is not beside the trace (pcap)' },
      compiler: { value: 'PATH', says: 'C compiler for the guest instead of gcc or clang (pcap)' },
    },
    examples: [
      ['trapline export b7.trapline.arrow --to perfetto --out b7.pftrace', 'is opened at ui.perfetto.dev'],
    ],
  },
  dap: {
    says: 'Debugs, for an editor that speaks the Debug Adapter Protocol over standard input and output.',
    options: { compiler: COMPILER },
    examples: [['trapline dap', 'is what an editor other than VS Code starts as its debug adapter']],
  },
  mcp: {
    argument: 'FOLDER',
    optional: true,
    says:
      'Answers agents that speak the Model Context Protocol over standard input and output: what happened in a trace and why, the state of ' +
      'the machine at a moment, where two runs part. It reads in FOLDER only (instead of: the folder it is started in), goes to no network and needs no token. ' +
      'Nothing is compiled or run unless --allow-run is given, or the user of the client confirms it.',
    options: {
      'allow-run': { says: 'compile and run guests of the folder without asking' },
      compiler: COMPILER,
    },
    examples: [
      ['trapline mcp', 'is what an agent starts as its server: it answers about the traces of this folder'],
      [
        'trapline mcp scenarios --allow-run',
        'lets the agent run the scenarios, too: for folders whose code you trust',
      ],
    ],
  },
  gdbserver: {
    argument: 'FILE',
    says: "Lets GDB debug a scenario's guest, forwards and backwards: prints what to give it, and waits on this computer.",
    options: {
      port: { value: 'N', says: 'TCP port instead of any that is free' },
      vm: {
        value: 'N',
        says: "the VM whose vCPUs are GDB's threads, counted from 0, instead of the first",
      },
      compiler: COMPILER,
    },
    examples: [
      [
        'trapline gdbserver scenarios/uart.trapline.json --port 1234',
        'waits for "target remote :1234" in gdb',
      ],
    ],
  },
} as const satisfies Record<string, Verb>;

/** Name of a verb. */
export type VerbName = keyof typeof VERBS;

/** The verb of a name; undefined: there is none. */
export function verbOf(name: string): Verb | undefined {
  return isVerb(name) ? VERBS[name] : undefined;
}

/** Whether there is a verb of a name. */
export function isVerb(name: string): name is VerbName {
  return Object.hasOwn(VERBS, name);
}
