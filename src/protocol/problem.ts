/** Something wrong with what the user gave, where it is, and what to do: shown in Problems and printed by the CLI. */
export interface Problem {
  /** Absolute path of the file it is about. */
  file: string;
  /** 1-based; 1 when the whole file is meant. */
  line: number;
  /** 1-based. */
  column: number;
  endLine?: number;
  endColumn?: number;
  severity: 'error' | 'warning' | 'information';
  /** What was found, what is allowed or missing, what to do. */
  message: string;
  /** Path of the field inside a scenario: `vms[0].memoryMiB`. */
  field?: string;
  source: 'scenario' | 'compiler' | 'guest' | 'trace';
  /** Row of the run's trace that it goes back to. */
  row?: number;
  /** Places that belong to it. */
  related?: readonly RelatedPlace[];
}

/** A line of a source, with what it has to do with a problem. */
export interface RelatedPlace {
  /** As the guest's debug information has it. */
  file: string;
  /** 1-based. */
  line: number;
  message: string;
}
