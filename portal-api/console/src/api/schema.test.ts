// @vitest-environment node
import { readFileSync } from 'node:fs';
import openapiTS, { astToString, COMMENT_HEADER } from 'openapi-typescript';
import { expect, it } from 'vitest';

it('is what the server’s document gives (npm run api writes it)', async () => {
  const document = JSON.parse(readFileSync('../openapi.json', 'utf8'));
  const nodes = await openapiTS(document, { emptyObjectsUnknown: true });
  expect(readFileSync('src/api/schema.d.ts', 'utf8')).toBe(COMMENT_HEADER + astToString(nodes));
});
