from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0003_store_parts'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='preprocessing',
            field=models.JSONField(null=True),
        ),
    ]
