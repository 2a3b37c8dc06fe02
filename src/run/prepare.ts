/** From a scenario file to a job: reads and checks it, compiles its guests or takes ready ones, reports everything wrong. */
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
