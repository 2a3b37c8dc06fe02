/** Rows that changed after others got to know them: receivers of deltas, and the last snapshot. */
export class ChangedRows {
  /** Rows before this one are known elsewhere: a change must be told. */
  settled = 0;
  private handedRows = 0;
  private savedRows = 0;
  private sinceDelta: number[] = [];
  private sinceSave: number[] = [];

  /** Rows that have been handed out. */
  get handed(): number {
    return this.handedRows;
  }

  /** Rows in the last snapshot taken or loaded. */
  get saved(): number {
    return this.savedRows;
  }

  /** A row before `settled` has other values now. */
  note(row: number): void {
    if (row < this.handedRows) this.sinceDelta.push(row);
    if (row < this.savedRows) this.sinceSave.push(row);
  }

  /** Rows up to this one are handed out. */
  handOut(rows: number): void {
    this.handedRows = rows;
    this.settled = Math.max(rows, this.savedRows);
  }

  /** Rows from this one on are to be handed out again. */
  takeBack(rows: number): void {
    this.sinceDelta = this.sinceDelta.filter((row) => row < rows);
    this.handOut(Math.min(this.handedRows, rows));
  }

  /** Rows up to this one are in a snapshot. */
  save(rows: number): void {
    this.savedRows = rows;
    this.sinceSave = [];
    this.settled = Math.max(this.handedRows, rows);
  }

  /** Rows that have changed since they were handed out; forgotten here. */
  takeHanded(): number[] {
    const rows = this.sinceDelta;
    this.sinceDelta = [];
    return rows;
  }

  /** Rows that have changed since they were handed out, for a snapshot. */
  get pending(): readonly number[] {
    return this.sinceDelta;
  }

  /** Rows that have changed since the last snapshot. */
  get unsaved(): readonly number[] {
    return this.sinceSave;
  }

  /** Takes a snapshot's changes in place of those so far; what has been handed out here stays so. */
  load(handed: number, pending: readonly number[], rows: number): void {
    this.sinceDelta = [...pending];
    this.handedRows = Math.max(this.handedRows, handed);
    this.save(rows);
  }
}
