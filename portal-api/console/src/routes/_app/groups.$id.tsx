import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Trash2 } from 'lucide-react';
import { useState } from 'react';
import type { Group } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { useStepUp } from '#/features/factors/step-up';
import { GroupForm } from '#/features/groups/group-form';
import { Members } from '#/features/groups/members';
import { deleteGroup, editGroup, groupQuery } from '#/features/groups/queries';
import { useMay } from '#/features/session/queries';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Confirm } from '#/ui/confirm';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/groups/$id')({ component: GroupPage });

function GroupPage() {
  const t = useWords();
  return (
    <Permitted needs="users.read" title={t('groups.one')}>
      <OneGroup />
    </Permitted>
  );
}

function OneGroup() {
  const t = useWords();
  const { id } = Route.useParams();
  const may = useMay();
  const client = useQueryClient();
  const query = useQuery(groupQuery(id));
  const mayEdit = may('users.manage');
  const group = query.data;
  return (
    <Page
      key={id}
      title={group?.name ?? t('groups.one')}
      up={
        <Link to="/groups" className={LINK}>
          {t('groups.title')}
        </Link>
      }
      actions={group && mayEdit && <Remove group={group} />}
    >
      <QueryView query={query} loading={t('groups.loading')}>
        {(found) => (
          <div className="grid grid-cols-[minmax(0,3fr)_minmax(300px,2fr)] items-start gap-4 max-lg:grid-cols-1">
            <Panel title={t('groups.settings')}>
              <GroupForm
                group={found}
                mayEdit={mayEdit}
                save={(input) => editGroup(found, input)}
                onSaved={(saved) => {
                  toast({ text: t('groups.saved') });
                  client.setQueryData(groupQuery(id).queryKey, saved);
                  void client.invalidateQueries({ queryKey: ['groups', 'list'] });
                }}
                submit={t('ui.save')}
              />
            </Panel>
            <Members group={found} mayEdit={mayEdit} />
          </div>
        )}
      </QueryView>
    </Page>
  );
}

function Remove({ group }: { group: Group }) {
  const t = useWords();
  const navigate = Route.useNavigate();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [asking, setAsking] = useState(false);
  const remove = useMutation({
    mutationFn: guard(deleteGroup),
    onSuccess: async () => {
      await navigate({ to: '/groups' });
      await client.invalidateQueries({ queryKey: ['groups'] });
      await client.invalidateQueries({ queryKey: ['users'] });
    },
  });
  return (
    <>
      <Button look="danger" icon={Trash2} onPress={() => setAsking(true)}>
        {t('groups.delete')}
      </Button>
      <Confirm
        title={t('groups.delete_named', { name: group.name })}
        isOpen={asking}
        onClose={() => setAsking(false)}
        text={[t('groups.delete_members', { count: group.members }), t('groups.delete_keep')]}
        action={t('groups.delete')}
        onConfirm={() => remove.mutate(group)}
        isPending={remove.isPending}
        error={remove.error}
      />
      {dialog}
    </>
  );
}
