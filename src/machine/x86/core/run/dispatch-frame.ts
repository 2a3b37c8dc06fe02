/**
 * The frame of the dispatch to the general operations. `scripts/build-core.mjs` puts the cases of their table
 * (`src/machine/x86/operations/general.ts`) at the mark in it; what is compiled is `core/generated/dispatch.ts`.
 */
import {
  C_GDT_BASE,
  C_GDT_LIMIT,
  C_IDT_BASE,
  C_IDT_LIMIT,
  INTERCEPT_INVD,
  INTERCEPT_PAUSE,
  INTERCEPT_WBINVD,
  SEG_LDTR,
  SEG_TR,
  STOP_UNSUPPORTED,
} from '../state/layout';
import * as op from '../generated/ops';
import { execIn, execOut } from '../memory/ports';
import * as control from '../operations/control';
import * as bits from '../operations/exec-bits';
import * as bmi from '../operations/exec-bmi';
import * as data from '../operations/exec-data';
import * as flow from '../operations/exec-flow';
import { execInt } from '../operations/exec-interrupt';
import * as legacy from '../operations/exec-legacy';
import * as selectors from '../operations/exec-selectors';
import { execString } from '../operations/exec-string';
import * as system from '../operations/exec-system';
import * as msr from '../operations/msr';
import { wishStop } from '../operations/operands';
import * as syscall from '../operations/syscall';
import * as debug from '../run/debug';
import { admitted } from '../state/intercept';
import { FLAG_CF, VECTOR_UD, fault } from '../state/state';
import { execFar, execRetFar } from '../transfer/far';
import { execIret } from '../transfer/iret';

/** Executes a general operation. What it raises is pending afterwards, what it wishes is noted (`operands.ts`). */
export function execute(cpu: i32, pc: i32, operation: i32): void {
  switch (operation) {
    // cases of the table
    default:
      wishStop(STOP_UNSUPPORTED);
  }
}
