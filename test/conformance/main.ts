/** `npm run conformance -- …`: a user's test kernels by `--kut`, QEMU's devices by `--qtest`. */
import { kut, KUT_USAGE } from './kut/main';
import { qtest, QTEST_USAGE } from './qtest/main';
import { runAsTool } from './usage';

if (process.argv.includes('--qtest')) runAsTool(qtest, QTEST_USAGE);
else runAsTool(kut, `${KUT_USAGE}${QTEST_USAGE}`);
