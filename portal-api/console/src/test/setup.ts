import { cleanup, configure } from '@testing-library/react';
import { afterEach, vi } from 'vitest';

// jsdom has none of these: React Aria's lists need the first, the router the second, narrow layouts the third.
globalThis.CSS ??= {} as typeof CSS;
CSS.escape ??= (text: string) => text.replace(/[^\w-]/g, (letter) => `\\${letter}`);
globalThis.scrollTo = () => {};
globalThis.matchMedia ??= (query: string) =>
  ({
    matches: query.includes('min-width'),
    media: query,
    addEventListener() {},
    removeEventListener() {},
  }) as unknown as MediaQueryList;

// jsdom lays nothing out: without a size, a virtual list draws no rows.
if (globalThis.Element) {
  Object.defineProperty(Element.prototype, 'clientHeight', { get: () => 600 });
  Object.defineProperty(Element.prototype, 'clientWidth', { get: () => 1200 });
}

configure({ asyncUtilTimeout: 5_000 });

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  globalThis.localStorage?.clear();
});
