/** Entry point of a listing's thread (`dist/listing-worker.js`): reads a guest's file, whatever its size, and ends. */
import { parentPort, workerData } from 'node:worker_threads';
import { listGuest } from '../../debug/disassembly/guest-listing';
import { imageOf } from '../../run/guest-image';
import type { ListingInput, ListingOutput } from './messages';

function list({ guest, target }: ListingInput): ListingOutput {
  try {
    const image = imageOf(guest);
    const listing = listGuest(image, target);
    return { sha256: image.sha256, ...(listing && { listing }) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

parentPort?.postMessage(list(workerData as ListingInput));
