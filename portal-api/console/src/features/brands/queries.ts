import { queryOptions } from '@tanstack/react-query';
import { api, ifMatch, unwrap } from '#/api/client';
import type { Brand, BrandBody } from '#/api/types';

/** All of them: the server gives them at once. */
export const brandsQuery = queryOptions({
  queryKey: ['brands', 'list'],
  queryFn: () => unwrap(api.GET('/api/v1/brands')),
});

export function brandQuery(id: string) {
  return queryOptions({
    queryKey: ['brands', 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/brands/{id}', { params: { path: { id } } })),
  });
}

export function createBrand(body: BrandBody): Promise<Brand> {
  return unwrap(api.POST('/api/v1/brands', { body }));
}

function versioned(brand: Brand) {
  return { path: { id: brand.id }, header: { 'If-Match': ifMatch(brand.version) } };
}

export function editBrand(brand: Brand, body: BrandBody): Promise<Brand> {
  return unwrap(api.PUT('/api/v1/brands/{id}', { params: versioned(brand), body }));
}

export async function deleteBrand(brand: Brand): Promise<void> {
  await unwrap(api.DELETE('/api/v1/brands/{id}', { params: versioned(brand) }));
}

/** Another address for every version: a logo that was changed is not shown from the browser's memory. */
export function logoAddress(brand: Brand): string {
  return `/api/v1/brands/${brand.id}/logo?v=${brand.version}`;
}

export async function putLogo({ id, file }: { id: string; file: Blob }): Promise<Brand> {
  const image = await file.arrayBuffer();
  return unwrap(
    api.PUT('/api/v1/brands/{id}/logo', {
      params: { path: { id } },
      // The document says an array of numbers; what is sent is the file as it is.
      body: [],
      bodySerializer: () => image,
      headers: { 'Content-Type': 'application/octet-stream' },
    }),
  );
}

export async function deleteLogo(id: string): Promise<void> {
  await unwrap(api.DELETE('/api/v1/brands/{id}/logo', { params: { path: { id } } }));
}
