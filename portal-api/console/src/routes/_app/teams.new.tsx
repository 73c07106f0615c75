import { useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Permitted } from '#/app/permitted';
import { NameForm } from '#/features/teams/name-form';
import { createTeam } from '#/features/teams/queries';
import { useWords } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/teams/new')({ component: NewTeamPage });

function NewTeamPage() {
  const t = useWords();
  const navigate = Route.useNavigate();
  const client = useQueryClient();
  return (
    <Permitted needs="teams.manage" title={t('teams.add')}>
      <Page
        title={t('teams.add')}
        up={
          <Link to="/teams" className={LINK}>
            {t('teams.title')}
          </Link>
        }
      >
        <Panel className="max-w-160">
          <NameForm
            name=""
            label={t('teams.name')}
            help={t('teams.name_help')}
            save={(name) => createTeam({ name, members: [] })}
            onSaved={async (team) => {
              toast({ text: t('teams.created', { name: team.name }) });
              await client.invalidateQueries({ queryKey: ['teams'] });
              await navigate({ to: '/teams/$id', params: { id: team.id } });
            }}
            submit={t('teams.create')}
          >
            <Link to="/teams" className={buttonLook('quiet')}>
              {t('ui.cancel')}
            </Link>
          </NameForm>
        </Panel>
      </Page>
    </Permitted>
  );
}
