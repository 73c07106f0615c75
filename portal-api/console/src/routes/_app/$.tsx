import { createFileRoute } from '@tanstack/react-router';
import { NotFound } from '#/app/not-found';

/** Any address the console does not know. */
export const Route = createFileRoute('/_app/$')({ component: NotFound });
