import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Trash2 } from 'lucide-react';
import { useState } from 'react';
import type { Team } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { HeldAccounts } from '#/features/assignments/held-accounts';
import { useMay } from '#/features/session/queries';
import { TeamMembers } from '#/features/teams/members';
import { NameForm } from '#/features/teams/name-form';
import { deleteTeam, editTeam, teamQuery } from '#/features/teams/queries';
import { useWords } from '#/lib/words';
import { Button, buttonLook } from '#/ui/button';
import { Confirm } from '#/ui/confirm';
import { Dialog } from '#/ui/dialog';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/teams/$id')({ component: TeamPage });

function TeamPage() {
  const t = useWords();
  return (
    <Permitted needs="teams.read" title={t('teams.one')}>
      <OneTeam />
    </Permitted>
  );
}

function OneTeam() {
  const t = useWords();
  const { id } = Route.useParams();
  const may = useMay();
  const client = useQueryClient();
  const query = useQuery(teamQuery(id));
  const mayEdit = may('teams.manage');
  const team = query.data;
  return (
    <Page
      key={id}
      title={team?.name ?? t('teams.one')}
      up={
        <Link to="/teams" className={LINK}>
          {t('teams.title')}
        </Link>
      }
      actions={team && mayEdit && <Remove team={team} />}
    >
      <QueryView query={query} loading={t('teams.loading')}>
        {(found) => (
          <div className="grid grid-cols-[minmax(300px,2fr)_minmax(0,3fr)] items-start gap-4 max-lg:grid-cols-1">
            <div className="flex min-w-0 flex-col gap-4">
              {mayEdit && (
                <Panel title={t('groups.settings')}>
                  <NameForm
                    name={found.name}
                    label={t('teams.name')}
                    save={(name) => editTeam(found, { name, members: found.members })}
                    onSaved={(saved) => {
                      toast({ text: t('teams.saved') });
                      client.setQueryData(teamQuery(id).queryKey, saved);
                      void client.invalidateQueries({ queryKey: ['teams', 'list'] });
                    }}
                    submit={t('ui.save')}
                  />
                </Panel>
              )}
              <TeamMembers team={found} mayEdit={mayEdit} />
            </div>
            <HeldAccounts holder={id} title={t('assign.of_team')} empty={t('assign.none_of_team')} />
          </div>
        )}
      </QueryView>
    </Page>
  );
}

function Remove({ team }: { team: Team }) {
  const t = useWords();
  const navigate = Route.useNavigate();
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const remove = useMutation({
    mutationFn: deleteTeam,
    onSuccess: async () => {
      await navigate({ to: '/teams' });
      await client.invalidateQueries({ queryKey: ['teams'] });
      await client.invalidateQueries({ queryKey: ['users'] });
    },
  });
  const close = () => {
    setAsking(false);
    remove.reset();
  };
  const title = t('teams.delete_named', { name: team.name });
  return (
    <>
      <Button look="danger" icon={Trash2} onPress={() => setAsking(true)}>
        {t('teams.delete')}
      </Button>
      {team.accounts > 0 ? (
        <Dialog title={title} isOpen={asking} onClose={close}>
          <div className="flex flex-col gap-4">
            <p className="text-sm text-ink-2">{t('teams.delete_held', { count: team.accounts })}</p>
            <div className="flex flex-wrap justify-end gap-2">
              <Button autoFocus onPress={close}>
                {t('ui.cancel')}
              </Button>
              <Link to="/assignments" search={{ from: team.id }} className={buttonLook('primary')}>
                {t('transfer.title')}
              </Link>
            </div>
          </div>
        </Dialog>
      ) : (
        <Confirm
          title={title}
          isOpen={asking}
          onClose={close}
          text={[t('teams.delete_members', { count: team.members.length }), t('teams.delete_history')]}
          action={t('teams.delete')}
          onConfirm={() => remove.mutate(team)}
          isPending={remove.isPending}
          error={remove.error}
        />
      )}
    </>
  );
}
