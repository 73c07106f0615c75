import { useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Permitted } from '#/app/permitted';
import { GroupForm } from '#/features/groups/group-form';
import { createGroup } from '#/features/groups/queries';
import { useWords } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/groups/new')({ component: NewGroupPage });

function NewGroupPage() {
  const t = useWords();
  const navigate = Route.useNavigate();
  const client = useQueryClient();
  return (
    <Permitted needs="users.manage" title={t('groups.add')}>
      <Page
        title={t('groups.add')}
        up={
          <Link to="/groups" className={LINK}>
            {t('groups.title')}
          </Link>
        }
      >
        <Panel className="max-w-180">
          <GroupForm
            mayEdit
            group={{ name: '', permissions: [] }}
            save={createGroup}
            onSaved={async (group) => {
              toast({ text: t('groups.created', { name: group.name }) });
              await client.invalidateQueries({ queryKey: ['groups'] });
              await navigate({ to: '/groups/$id', params: { id: group.id } });
            }}
            submit={t('groups.create')}
          >
            <Link to="/groups" className={buttonLook('quiet')}>
              {t('ui.cancel')}
            </Link>
          </GroupForm>
        </Panel>
      </Page>
    </Permitted>
  );
}
