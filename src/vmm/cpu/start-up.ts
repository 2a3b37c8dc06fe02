/** INIT and start-up IPIs on their way to one vCPU (SDM vol. 3, 8.4; kvm_apic_accept_events of KVM). */

import { requireVersion } from '../../machine/snapshot';

/** Snapshot of a `StartUp`. */
export interface StartUpState {
  version: 1;
  initPending: boolean;
  initDone: boolean;
  page: number;
}

/** What one vCPU has been told and not done yet. */
export class StartUp {
  /** INIT has come; it is taken before the next entry. */
  initPending = false;
  /** Page of the start-up IPI that will be obeyed; -1: none. */
  private page = -1;
  /** INIT has been taken, by a vCPU that may be started up. Of one that is not, start-up IPIs are ignored. */
  private initTaken = false;

  requestInit(): void {
    this.initPending = true;
    this.page = -1;
  }

  /** A start-up IPI; ignored unless INIT has come before it. */
  request(page: number): void {
    if (this.initPending || this.initTaken) this.page = page;
  }

  /** The reset is done. */
  initDone(waits: boolean): void {
    this.initPending = false;
    this.initTaken = waits;
    if (!waits) this.page = -1;
  }

  /** The vCPU waits, and the IPI that starts it has come. */
  get ready(): boolean {
    return this.initTaken && this.page >= 0;
  }

  /** The machine was reset. */
  reset(): void {
    this.initPending = this.initTaken = false;
    this.page = -1;
  }

  /** The page to start at, once; -1: none. */
  take(): number {
    const { page } = this;
    if (!this.ready) return -1;
    this.page = -1;
    this.initTaken = false;
    return page;
  }

  save(): StartUpState {
    return { version: 1, initPending: this.initPending, initDone: this.initTaken, page: this.page };
  }

  load(state: StartUpState): void {
    requireVersion('the start of a vCPU', state.version, 1);
    this.initPending = state.initPending;
    this.initTaken = state.initDone;
    this.page = state.page;
  }
}
