import { useQuery } from '@tanstack/react-query';
import { createFileRoute, redirect } from '@tanstack/react-router';
import { Shell } from '#/app/shell';
import { sessionQuery } from '#/features/session/queries';

/** Everything behind the sign-in. */
export const Route = createFileRoute('/_app')({
  beforeLoad: async ({ context, location }) => {
    const session = await context.queryClient.ensureQueryData(sessionQuery);
    if (!session) throw redirect({ to: '/sign-in', search: { next: location.href } });
    if (session.user.must_change_password) throw redirect({ to: '/password' });
    if (session.user.must_enrol && location.pathname !== '/security') throw redirect({ to: '/security' });
    return { session };
  },
  component: AppLayout,
});

function AppLayout() {
  const { session } = Route.useRouteContext();
  const current = useQuery(sessionQuery).data ?? session;
  return <Shell session={current} />;
}
