import { expect, it } from 'vitest';
import { bytes, text } from './passkeys';

it('reads back what it writes, whatever the bytes', () => {
  for (const length of [0, 1, 2, 3, 16, 32, 255]) {
    const given = Uint8Array.from({ length }, (_, at) => (at * 37 + 251) % 256);
    const written = text(given.buffer);
    expect(written).toMatch(/^[A-Za-z0-9_-]*$/);
    expect([...bytes(written)]).toEqual([...given]);
  }
});
