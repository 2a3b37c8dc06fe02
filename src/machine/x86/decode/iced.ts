/**
 * What decoding asks of iced-x86 for every instruction, as plain constants: a bundle reaches the exports of a CommonJS
 * package through getters, which add up.
 */
import * as iced from 'iced-x86';

export const Code = iced.Code;
export const DecoderError = iced.DecoderError;
export const DecoderOptions = iced.DecoderOptions;
export const MemorySizeExt = iced.MemorySizeExt;
export const Mnemonic = iced.Mnemonic;
export const OpKind = iced.OpKind;
export const Register = iced.Register;
