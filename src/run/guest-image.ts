/** The guest of a job as an image: what kind of file it is, the job says. */
import { GuestImage } from '../guest/image';
import type { RunGuest } from '../protocol/run';

/** @throws GuestImageError when the file cannot be a guest */
export function imageOf({ elf, elfFile, remap, isRom = false }: RunGuest): GuestImage {
  return isRom ? GuestImage.rom(elf, elfFile) : GuestImage.parse(elf, elfFile, remap);
}
